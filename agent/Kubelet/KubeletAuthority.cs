using System.Globalization;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PodCheckpointing.Api.Agent;

namespace PodCheckpointing.Agent.Kubelet;

/// <summary>Whether kubelet is who it says, by the authorities that stand in the file at this moment.</summary>
internal static class KubeletAuthority
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";

    /// <summary>Checks kubelet's certificate.</summary>
    /// <exception cref="AuthenticationException">It is not trusted; says which file to look at.</exception>
    public static bool Check(string caFile, X509Certificate2? certificate, X509Chain? sent, SslPolicyErrors errors)
    {
        if (certificate is null || errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            throw new AuthenticationException(
                certificate is null ? "kubelet shows no certificate" : $"kubelet's certificate ({certificate.Subject}) does not bear this node's name");
        }

        X509ChainPolicy policy;
        try
        {
            policy = AgentTls.ChainPolicy(caFile);
        }
        catch (Exception exception) when (exception is IOException or CryptographicException or UnauthorizedAccessException)
        {
            throw new AuthenticationException($"kubelet's authority cannot be read from {caFile}: {exception.Message}", exception);
        }

        policy.ApplicationPolicy.Add(new Oid(ServerUse));
        policy.ExtraStore.AddRange(sent?.ChainPolicy.ExtraStore ?? []);
        using var chain = new X509Chain { ChainPolicy = policy };
        return chain.Build(certificate)
            ? true
            : throw new AuthenticationException(
                $"kubelet's certificate ({certificate.Subject}, of {certificate.Issuer}, valid until {Day(certificate.NotAfter)}) is not trusted: "
                + string.Join("; ", chain.ChainStatus.Select(s => s.StatusInformation.Trim()).Distinct())
                + $". Put the authority that has signed it into {caFile}, which now holds "
                + string.Join(", ", policy.CustomTrustStore.Select(a => $"{a.Subject} valid until {Day(a.NotAfter)}")));
    }

    private static string Day(DateTime instant) => instant.ToUniversalTime().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
