using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Runtime.Metrics;

namespace PodCheckpointing.Unit.Metrics;

/// <summary>When the certificates end that stand in the files now.</summary>
public sealed class CertificateMetricsTests
{
    private const string Name = "pod_checkpointing_certificate_expiry_timestamp_seconds";
    private static readonly DateTimeOffset First = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset Second = new(2031, 6, 1, 12, 0, 0, TimeSpan.Zero);
    private readonly string _folder = Directory.CreateTempSubdirectory("pod-checkpointing-certificates").FullName;

    [OneTimeTearDown]
    public void Remove() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Each_is_told_as_the_files_are_renewed_and_one_that_cannot_be_read_hides_no_other()
    {
        var (own, trusted) = (Path.Combine(_folder, "tls.crt"), Path.Combine(_folder, "ca.crt"));
        using var exporter = new MetricsExporter(CertificateMetrics.Set);
        File.WriteAllText(own, Certificate(First));
        // One that was replaced stands beside its successor.
        File.WriteAllText(trusted, Certificate(Second) + "\n" + Certificate(First));
        CertificateMetrics.Observe("agent", own, trusted);

        exporter.Of(Series("own")).Should().Be(First.ToUnixTimeSeconds());
        exporter.Of(Series("authority")).Should().Be(Second.ToUnixTimeSeconds());

        File.WriteAllText(own, Certificate(Second));
        File.WriteAllText(trusted, "nothing");
        exporter.Of(Series("own")).Should().Be(Second.ToUnixTimeSeconds());
        exporter.Of(Series("authority")).Should().BeNull();
    }

    private static string Series(string certificate) => $"{Name}{{component=\"agent\",certificate=\"{certificate}\"}}";

    private static string Certificate(DateTimeOffset end)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate =
            new CertificateRequest("CN=one", key, HashAlgorithmName.SHA256).CreateSelfSigned(First.AddYears(-5), end);
        return certificate.ExportCertificatePem();
    }
}
