using System.Globalization;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PodCheckpointing.Api.Agent;

namespace PodCheckpointing.Agent.Kubelet;

/// <summary>Whether kubelet is who it says, by the authorities that stand in the files at this moment.</summary>
internal static class KubeletAuthority
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";

    /// <summary>Checks kubelet's certificate.</summary>
    /// <param name="caFiles">Files of authorities, with colons between them; not every one has to exist.</param>
    /// <param name="name">The name that it must bear.</param>
    /// <param name="certificate">What kubelet shows.</param>
    /// <param name="sent">What it sends along.</param>
    /// <param name="errors">What was found already.</param>
    /// <param name="now">The instant at which it must hold.</param>
    /// <exception cref="AuthenticationException">It is not trusted; says what to do.</exception>
    public static bool Check(
        string caFiles, string name, X509Certificate2? certificate, X509Chain? sent, SslPolicyErrors errors,
        DateTimeOffset now)
    {
        if (certificate is null || errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            throw new AuthenticationException(
                certificate is null ? "kubelet shows no certificate"
                    : $"kubelet's certificate ({certificate.Subject}) bears {Names(certificate)}, and not {name}: "
                    + "have Agent:KubeletName say what it bears, with "
                    + "{node} for the node's name, as in {node}.example");
        }

        var (trusted, held) = Read(caFiles);
        var policy = AgentTls.ChainPolicy(trusted);
        policy.VerificationTime = now.LocalDateTime;
        policy.ApplicationPolicy.Add(new Oid(ServerUse));
        policy.ExtraStore.AddRange(sent?.ChainPolicy.ExtraStore ?? []);
        using var chain = new X509Chain { ChainPolicy = policy };
        return chain.Build(certificate)
            ? true
            : throw new AuthenticationException(
                $"kubelet's certificate ({certificate.Subject}, of {certificate.Issuer}, valid until "
                + $"{Day(certificate.NotAfter)}) "
                + Fault(certificate, now, string.Join(
                    "; ", chain.ChainStatus.Select(s => s.StatusInformation.Trim()).Distinct()), held));
    }

    private static string Names(X509Certificate2 certificate)
    {
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>()
            .SelectMany(
                all => all.EnumerateDnsNames().Concat(all.EnumerateIPAddresses().Select(address => address.ToString())))
            .ToList();
        return names.Count > 0 ? $"the names {string.Join(", ", names)}" : "no name";
    }

    private static string Fault(X509Certificate2 certificate, DateTimeOffset now, string said, string held) =>
        certificate switch
        {
            _ when now < certificate.NotBefore =>
                $"is not valid before {Day(certificate.NotBefore)}: look at the node's clock",
            _ when now <= certificate.NotAfter =>
                $"is not trusted: {said}. Name the file of the authority that has signed it in Agent:KubeletCa, "
                    + $"which now has {held}",
            // One that the cluster signs bears the node's identity; one of kubelet's own making only its name.
            _ when certificate.Subject.Contains("system:node:", StringComparison.Ordinal) =>
                "has expired, and kubelet waits for another one: kubectl get csr, and approve the one of this node",
            _ =>
                "has expired: kubelet made it itself and never renews it. On the node remove "
                + "/var/lib/kubelet/pki/kubelet.crt and kubelet.key and "
                + "restart kubelet, which makes another one for a year; or let the cluster sign and renew it: "
                + "serverTLSBootstrap: true",
        };

    private static (X509Certificate2Collection Trusted, string Held) Read(string caFiles)
    {
        var trusted = new X509Certificate2Collection();
        List<string> held = [];
        foreach (var file in caFiles.Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            try
            {
                var certificates = new X509Certificate2Collection();
                certificates.ImportFromPemFile(file);
                trusted.AddRange(certificates);
                held.Add(
                    $"{file}: {string.Join(", ", certificates.Select(a => $"{a.Subject} valid until {Day(a.NotAfter)}"))}");
            }
            catch (Exception exception)
                when (exception is IOException or CryptographicException or UnauthorizedAccessException)
            {
                held.Add($"{file}: {exception.Message}");
            }
        }

        return trusted.Count > 0
            ? (trusted, string.Join("; ", held))
            : throw new AuthenticationException($"kubelet's authority cannot be read: {string.Join("; ", held)}");
    }

    private static string Day(DateTime instant) =>
        instant.ToUniversalTime().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
