using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace PodCheckpointing.Api.Agent;

/// <summary>Mutual TLS between operator and agents: one authority, and one name for each side.</summary>
/// <remarks>Every handshake reads the files, so renewed certificates and authorities count
/// from the next connection on.</remarks>
public static class AgentTls
{
    /// <summary>The DNS name in every agent's certificate.</summary>
    public const string AgentName = "checkpoint-agent";

    /// <summary>The DNS name in the operator's certificate; only its bearer may call an agent.</summary>
    public const string OperatorName = "pod-checkpointing-operator";

    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private const string ClientUse = "1.3.6.1.5.5.7.3.2";

    /// <summary>A client's certificate with its key from two PEM files, as they are at each connection.</summary>
    /// <exception cref="IOException">One of them cannot be read.</exception>
    /// <exception cref="CryptographicException">They hold no certificate and its key.</exception>
    public static LocalCertificateSelectionCallback ClientCertificate(string certificateFile, string keyFile)
    {
        var own = new PemCertificate(certificateFile, keyFile);
        // What cannot be used is told at the start.
        _ = own.Current;
        return (_, _, _, _, _) => own.Current.TargetCertificate;
    }

    /// <summary>The operator's side. Agents are called by their nodes' addresses, but known by their name.</summary>
    public static SslClientAuthenticationOptions ForOperator(string caFile, string certificateFile, string keyFile)
    {
        var own = new PemCertificate(certificateFile, keyFile);
        return new SslClientAuthenticationOptions
        {
            LocalCertificateSelectionCallback = (_, _, _, _, _) => own.Current.TargetCertificate,
            RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                Accepts(certificate as X509Certificate2, caFile, AgentName),
        };
    }

    /// <summary>The agent's side: only the operator gets as far as a call.</summary>
    public static void UseAgentTls(this ListenOptions listen, string caFile, string certificateFile, string keyFile)
    {
        var own = new PemCertificate(certificateFile, keyFile);
        listen.Protocols = HttpProtocols.Http2;
        listen.UseHttps(new TlsHandshakeCallbackOptions
        {
            OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = own.Current,
                ClientCertificateRequired = true,
                RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                    Accepts(certificate as X509Certificate2, caFile, OperatorName),
            }),
        });
    }

    /// <summary>Trusts the authorities in a PEM file, and no others.</summary>
    public static X509ChainPolicy ChainPolicy(string caFile)
    {
        var trusted = new X509Certificate2Collection();
        trusted.ImportFromPemFile(caFile);
        return ChainPolicy(trusted);
    }

    /// <summary>Trusts some authorities, and no others.</summary>
    public static X509ChainPolicy ChainPolicy(X509Certificate2Collection trusted)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(trusted);
        return policy;
    }

    /// <summary>Whether a certificate comes from the authority and carries the name.</summary>
    public static bool Accepts(X509Certificate2? certificate, string caFile, string name)
    {
        if (certificate is null || !certificate.MatchesHostname(name, allowWildcards: false, allowCommonName: false))
        {
            return false;
        }

        using var chain = new X509Chain { ChainPolicy = ChainPolicy(caFile) };
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(name == AgentName ? ServerUse : ClientUse));
        return chain.Build(certificate);
    }
}
