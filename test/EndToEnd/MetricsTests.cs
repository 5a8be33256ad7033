using System.Diagnostics;
using System.Globalization;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>What operator and agents tell of a real migration: values at /metrics, and
/// one trace over all of them.</summary>
[TestFixture]
public sealed class MetricsTests() : BenchTests("m")
{
    private const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
    private const string Protocol = "OTEL_EXPORTER_OTLP_PROTOCOL";
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(60) };
    private TraceCollector _collector = null!;

    private int Index =>
        int.Parse(File.ReadAllText(Path.Combine(Cluster.Folder, "index")), CultureInfo.InvariantCulture);

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _collector = TraceCollector.Start();
        // What is started from here on sends its spans to this process.
        Environment.SetEnvironmentVariable(Endpoint, $"http://10.{128 + Index}.0.1:{_collector.Port}");
        Environment.SetEnvironmentVariable(Protocol, "http/protobuf");
        foreach (var process in new string[][] { ["operator"], ["agent", "node-a"], ["agent", "node-b"] })
        {
            await Cluster.KillAsync(string.Join('-', process));
            await Cluster.StartProcessAsync(process);
        }

        foreach (var who in new[] { Operator, Agent("a"), Agent("b") })
        {
            await WaitAsync(who, "pod_checkpointing_build_info", v => v == 1);
        }
    }

    [OneTimeTearDown]
    public void Stop()
    {
        Environment.SetEnvironmentVariable(Endpoint, null);
        Environment.SetEnvironmentVariable(Protocol, null);
        _collector.Dispose();
        _http.Dispose();
    }

    [Test]
    public async Task A_migration_is_seen_in_numbers_and_as_one_trace()
    {
        await StartAsync(Pod("seen", Counter("c")));
        await MigrateAsync("seen", "seen", "node-b", "Completed");
        await MigrateAsync("nosuch", "refused", "node-b", "Failed");
        var downtime = Number(await Cluster.GetAsync("podmigration", "seen", "{.status.downtimeMilliseconds}"));
        var bytes = Number(await Cluster.GetAsync("podmigration", "seen", "{.status.checkpointBytes}"));

        await WaitAsync(Operator, "podmigration_operations_total{result=\"success\"}", v => v == 1);
        await WaitAsync(Operator, "podmigration_operations_total{result=\"refused\"}", v => v == 1);
        await WaitAsync(Operator, "podcheckpoint_operations_total{result=\"success\"}", v => v == 1);
        await WaitAsync(Operator, "checkpointnode_objects{ready=\"True\",reason=\"Succeeded\"}", v => v == 2);
        var told = await ScrapeAsync(Operator);
        told["podmigration_operations_total{result=\"failure\"}"].Should().Be(0);
        told["podmigration_outcomes_total{outcome=\"Restored\",reason=\"Succeeded\"}"].Should().Be(1);
        told["podmigration_outcomes_total{outcome=\"None\",reason=\"PodNotFound\"}"].Should().Be(1);
        told["podmigration_downtime_seconds_count"].Should().Be(1);
        told["podmigration_downtime_seconds_sum"].Should().BeApproximately(downtime / 1000, 1e-9);
        told["podmigration_size_bytes_sum"].Should().Be(bytes);
        told["podmigration_objects{phase=\"Completed\"}"].Should().Be(1);
        told["podmigration_step_duration_seconds_count{step=\"Checkpoint\"}"].Should().Be(1);
        told["podmigration_step_duration_seconds_sum{step=\"Checkpoint\"}"].Should().BeInRange(0.01, 60);
        told["podcheckpoint_size_bytes_sum"].Should().Be(bytes);
        told["leader_election_master_status{name=\"pod-checkpointing-operator\"}"].Should().Be(1);
        told.Where(v => v.Key.StartsWith("informer_synced{"))
            .Should().HaveCountGreaterThanOrEqualTo(7).And.OnlyContain(v => v.Value == 1);
        told["informer_objects{kind=\"Node\"}"].Should().Be(2);
        told["workqueue_adds_total{name=\"PodMigration\"}"].Should().BeGreaterThan(4);
        told["workqueue_work_duration_seconds_count{name=\"PodMigration\"}"].Should().BeGreaterThan(4);
        told["controller_runtime_reconcile_total{controller=\"PodMigration\",result=\"requeue_after\"}"]
            .Should().BeGreaterThan(4);
        told["rest_client_requests_total{verb=\"patch\",resource=\"podmigrations\",code=\"200\"}"]
            .Should().BeGreaterThan(4);
        told["rest_client_requests_total{verb=\"create\",resource=\"pods\",code=\"201\"}"].Should().Be(1);
        // A call whose answer was lost is made again.
        told["grpc_client_handled_total{grpc_method=\"Checkpoint\",grpc_code=\"OK\"}"]
            .Should().BeGreaterThanOrEqualTo(1);
        told["process_resident_memory_bytes"].Should().BeInRange(2e7, 1e9);

        var source = await ScrapeAsync(Agent("a"));
        source["container_checkpoint_operations_total{result=\"success\"}"].Should().Be(1);
        source["container_checkpoint_operations_total{result=\"failure\"}"].Should().Be(0);
        source["container_checkpoint_written_bytes_total"].Should().Be(bytes);
        source["container_checkpoint_compression_ratio_sum"].Should().BeApproximately(
            source["container_checkpoint_read_bytes_total"] / bytes, 1e-9);
        source["container_checkpoint_dump_seconds_sum"].Should().BeInRange(0.01, 60);
        source["checkpoint_agent_fences"].Should().Be(0, "the migration has taken it away");
        source["checkpoint_agent_store_free_bytes"].Should().BeGreaterThan(1e6);
        var target = await ScrapeAsync(Agent("b"));
        target["container_restore_operations_total{result=\"success\"}"].Should().Be(1);
        target["container_restore_duration_seconds_sum"].Should().BeInRange(0.001, 60);
        target["container_restore_staged_bytes_total"].Should().Be(source["container_checkpoint_read_bytes_total"]);
        target["grpc_server_handled_total{grpc_method=\"PrepareRestore\",grpc_code=\"OK\"}"]
            .Should().BeGreaterThanOrEqualTo(1);

        await OneTraceAsync((await Cluster.GetAsync("podmigration", "seen", "{.metadata.uid}")).Replace(
            "-", "", StringComparison.Ordinal));
    }

    private async Task OneTraceAsync(string traceId)
    {
        string[] operators =
        [
            "PodMigration",
            "step Checkpoint",
            "step Commit",
            "reconcile PodMigration",
            "reconcile PodCheckpoint",
            "reconcile ContainerCheckpoint",
        ];
        string[] agents = ["checkpoint container", "dump", "store", "stage", "restore"];
        // Spans are sent every few seconds.
        IReadOnlyList<CollectedSpan> spans = [];
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < Patience)
        {
            spans = _collector.Of(traceId);
            if (Orphans(spans) == 0 && operators.Concat(agents).All(n => spans.Any(s => s.Name == n)))
            {
                break;
            }

            await Task.Delay(100);
        }

        spans.Where(s => s.Service == "pod-checkpointing-operator").Select(s => s.Name).Should().Contain(operators);
        spans.Where(s => s.Service == "checkpoint-agent").Select(s => s.Name).Should().Contain(agents);
        spans.Single(s => s.ParentId.Length == 0).Name.Should().Be("PodMigration");
        Orphans(spans).Should().Be(0, "each span hangs on another one of the trace");
        var dump = spans.Single(s => s.Name == "dump");
        var restore = spans.Single(s => s.Name == "restore");
        dump.End.Should().BeLessThan(restore.Start, "both nodes are this machine, with one clock");
        var path = Path.Combine(TestContext.CurrentContext.WorkDirectory, "trace.txt");
        await File.WriteAllLinesAsync(path, spans.OrderBy(s => s.Start).Select(s =>
            $"{(s.Start - spans.Min(x => x.Start)) / 1e6,10:F1} ms {(s.End - s.Start) / 1e6,8:F1} ms  "
                + $"{s.Service,-28} {s.Name}"));
        TestContext.AddTestAttachment(path);
    }

    private static int Orphans(IReadOnlyList<CollectedSpan> spans) =>
        spans.Count(s => s.ParentId.Length > 0 && spans.All(p => p.SpanId != s.ParentId));

    private string Operator => $"http://127.0.0.1:{8000 + Index}/metrics";

    private string Agent(string letter) => $"http://10.{128 + Index}.0.{(letter == "a" ? 11 : 12)}:50053/metrics";

    private async Task WaitAsync(string url, string series, Func<double, bool> isRight)
    {
        var last = "";
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < Patience)
        {
            try
            {
                var values = await ScrapeAsync(url);
                if (values.Any(v => (v.Key == series || v.Key.StartsWith(series + "{", StringComparison.Ordinal))
                    && isRight(v.Value)))
                {
                    return;
                }

                last = string.Join(
                    '\n', values.Where(v => v.Key.StartsWith(series.Split('{')[0], StringComparison.Ordinal)));
            }
            catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException)
            {
                last = exception.Message;
            }

            await Task.Delay(100);
        }

        Assert.Fail($"{url} does not tell the right {series}: {last}");
    }

    private async Task<Dictionary<string, double>> ScrapeAsync(string url) => (await _http.GetStringAsync(url))
        .Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => l[0] != '#')
        .ToDictionary(l => l[..l.LastIndexOf(' ')], l => Number(l[(l.LastIndexOf(' ') + 1)..]));

    private static double Number(string text) =>
        text == "+Inf" ? double.PositiveInfinity : double.Parse(text, CultureInfo.InvariantCulture);
}
