using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Component.Grpc;
using PodCheckpointing.Generate;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Scale;

/// <summary>The operator as it is shipped, in a process of its own.</summary>
internal sealed partial class OperatorProcess : IDisposable
{
    private readonly Process _process;
    private readonly HttpClient _http;

    private OperatorProcess(Process process, int port, string caller)
    {
        (_process, Caller) = (process, caller);
        _http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
    }

    /// <summary>The serial number of its certificate.</summary>
    public string Caller { get; }

    public static OperatorProcess Start(
        string name, string kubeconfig, TestAuthority authority, int healthPort, int agentPort,
        params (string Name, string Value)[] settings)
    {
        var (certificate, key) = authority.Issue(name, AgentTls.OperatorName);
        var start = new ProcessStartInfo("/bin/sh")
        {
            ArgumentList =
            {
                "-c", "exec dotnet \"$0\" >>\"$1\" 2>&1",
                Path.Combine(Programs(), "PodCheckpointing.Manager.dll"), Path.Combine(authority.Folder, name + ".log"),
            },
            WorkingDirectory = authority.Folder,
        };
        (string, string)[] all =
        [
            ("Kubeconfig", kubeconfig), ("TlsCertificate", certificate), ("TlsKey", key), ("TlsCa", authority.CaFile),
            ("HealthPort", $"{healthPort}"), ("AgentPort", $"{agentPort}"), .. settings,
        ];
        foreach (var (setting, value) in all)
        {
            start.Environment["Operator__" + setting] = value;
        }

        start.Environment["Logging__LogLevel__Default"] = "Warning";
        start.Environment["ASPNETCORE_URLS"] = "";
        using var own =
            System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificateFromFile(certificate);
        return new OperatorProcess(Process.Start(start)!, healthPort, own.SerialNumber);
    }

    /// <summary>Returns when it serves, whether it leads or not.</summary>
    public Task ReadyAsync() => Wait.UntilAsync(
        async () =>
        {
            try
            {
                using var answer = await _http.GetAsync(new Uri("/readyz", UriKind.Relative));
                return answer.IsSuccessStatusCode ? "" : await answer.Content.ReadAsStringAsync();
            }
            catch (HttpRequestException exception) when (!_process.HasExited)
            {
                return exception.Message;
            }
        },
        obstacle => obstacle.Length == 0, "the operator serves");

    /// <summary>The most memory that it ever had, in MB, as the kernel counts it.</summary>
    public double PeakMegabytes() => long.Parse(
        File.ReadLines($"/proc/{_process.Id}/status")
            .First(l => l.StartsWith("VmHWM:", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture) / 1024.0;

    public async Task<Figures> ScrapeAsync() => new(await _http.GetStringAsync(new Uri("/metrics", UriKind.Relative)));

    public async Task<bool> LeadsAsync() => (await ScrapeAsync()).Sum("leader_election_master_status") == 1;

    public void Signal(string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{_process.Id}"]);
        kill.WaitForExit();
    }

    public Task ExitedAsync(TimeSpan patience) => _process.WaitForExitAsync().WaitAsync(patience);

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
        _http.Dispose();
    }

    /// <summary>The operator as "make build" has published it, unless what the test was compiled with is
    /// newer.</summary>
    private static string Programs()
    {
        var beside = new DirectoryInfo(AppContext.BaseDirectory);
        var published =
            new DirectoryInfo(Path.Combine(Repository.Root(AppContext.BaseDirectory), "artifacts", "operator"));
        var isOld = beside.EnumerateFiles("*.dll").Any(compiled =>
            new FileInfo(Path.Combine(published.FullName, compiled.Name)) is { Exists: true } old
            && old.LastWriteTimeUtc < compiled.LastWriteTimeUtc);
        return published.Exists && !isOld ? published.FullName : beside.FullName;
    }

    /// <summary>One scrape.</summary>
    internal sealed partial class Figures(string text)
    {
        private readonly List<(string Name, string Labels, double Value)> _series =
        [
            .. Line().Matches(text).Select(
                m => (m.Groups[1].Value, m.Groups[2].Value, double.Parse(
                    m.Groups[3].Value, CultureInfo.InvariantCulture))),
        ];

        /// <summary>All series of a name whose labels hold one of these texts, or any when there are none.</summary>
        public double Sum(string name, params string[] labels) => _series
            .Where(s => s.Name == name && (labels.Length == 0
                || labels.Any(l => s.Labels.Contains(l, StringComparison.Ordinal)))).Sum(s => s.Value);

        /// <summary>Those of them that also hold another text.</summary>
        public double SumAll(string name, string label, params string[] labels) => _series
            .Where(s => s.Name == name
                && s.Labels.Contains(label, StringComparison.Ordinal)
                && labels.Any(l => s.Labels.Contains(l, StringComparison.Ordinal)))
            .Sum(s => s.Value);

        /// <summary>The bound below which so many of a histogram's values are, between two
        /// buckets as Prometheus reckons.</summary>
        public double Quantile(double quantile, string name, string label)
        {
            var buckets =
                _series.Where(s => s.Name == name + "_bucket" && s.Labels.Contains(label, StringComparison.Ordinal))
                    .Select(s => (Bound: Bound().Match(s.Labels).Groups[1].Value, s.Value))
                    .GroupBy(b => b.Bound).Select(g => (Bound: g.Key == "+Inf"
                        ? double.PositiveInfinity
                        : double.Parse(g.Key, CultureInfo.InvariantCulture), Count: g.Sum(b => b.Value)))
                    .OrderBy(b => b.Bound).ToList();
            var wanted = quantile * buckets[^1].Count;
            var (from, below) = (0.0, 0.0);
            foreach (var (bound, count) in buckets)
            {
                if (count >= wanted)
                {
                    return double.IsInfinity(bound)
                        ? from
                        : from + ((bound - from) * (wanted - below) / Math.Max(1, count - below));
                }

                (from, below) = (bound, count);
            }

            return from;
        }

        [GeneratedRegex(@"^(\w+)(?:\{(.*)\})? (\S+)$", RegexOptions.Multiline)]
        private static partial Regex Line();

        [GeneratedRegex("le=\"([^\"]*)\"")]
        private static partial Regex Bound();
    }
}
