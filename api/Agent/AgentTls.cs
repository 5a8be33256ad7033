using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace PodCheckpointing.Api.Agent;

/// <summary>Mutual TLS between operator and agents: one authority, and one name for each side.</summary>
public static class AgentTls
{
    /// <summary>The DNS name in every agent's certificate.</summary>
    public const string AgentName = "checkpoint-agent";

    /// <summary>The DNS name in the operator's certificate; only its bearer may call an agent.</summary>
    public const string OperatorName = "pod-checkpointing-operator";

    /// <summary>A certificate with its key from two PEM files.</summary>
    public static X509Certificate2 Load(string certificateFile, string keyFile) =>
        X509Certificate2.CreateFromPemFile(certificateFile, keyFile);

    /// <summary>The operator's side.</summary>
    public static SslClientAuthenticationOptions ForOperator(string caFile, string certificateFile, string keyFile) => new()
    {
        TargetHost = AgentName,
        ClientCertificateContext = SslStreamCertificateContext.Create(
            Load(certificateFile, keyFile), null, offline: true),
        CertificateChainPolicy = ChainPolicy(caFile),
    };

    /// <summary>Trusts the authorities in a PEM file, and no others.</summary>
    public static X509ChainPolicy ChainPolicy(string caFile)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
        };
        policy.CustomTrustStore.ImportFromPemFile(caFile);
        return policy;
    }

    /// <summary>Whether a certificate comes from the authority and carries the name.</summary>
    public static bool Accepts(X509Certificate2? certificate, string caFile, string name)
    {
        if (certificate is null || !certificate.MatchesHostname(name, allowCommonName: false))
        {
            return false;
        }

        using var chain = new X509Chain { ChainPolicy = ChainPolicy(caFile) };
        return chain.Build(certificate);
    }
}
