using System.Security.Cryptography.X509Certificates;

namespace PodCheckpointing.Runtime.Metrics;

/// <summary>How long operator and agents still know each other.</summary>
public static class CertificateMetrics
{
    /// <summary>All of them.</summary>
    public static readonly MetricSet Set = new("PodCheckpointing.Certificates");

    private static readonly ObservedMetric Expiry = Set.ObservedGauge(
        "pod_checkpointing_certificate_expiry_timestamp_seconds",
        "When a certificate ends by which operator and agents know each other, Unix time: the process' own, or the "
            + "last of the authorities that it trusts",
        new MetricLabel("component", "operator", "agent"),
        new MetricLabel("certificate", "own", "authority"));

    /// <summary>Tells what the files hold whenever somebody asks; they are renewed while the process runs.</summary>
    public static void Observe(string component, string certificateFile, string authorityFile)
    {
        // Apart from each other: one that cannot be read hides only itself.
        Expiry.From(() => [Expiry.Value(Ends(certificateFile)[0], component, "own")]);
        // Beside a new authority an old one may stand that has ended.
        Expiry.From(() => [Expiry.Value(Ends(authorityFile).Max(), component, "authority")]);
    }

    private static List<double> Ends(string file)
    {
        var certificates = new X509Certificate2Collection();
        certificates.ImportFromPemFile(file);
        List<double> ends = [.. certificates.Select(
            c => (c.NotAfter.ToUniversalTime() - DateTime.UnixEpoch).TotalSeconds)];
        foreach (var certificate in certificates)
        {
            certificate.Dispose();
        }

        return ends;
    }
}
