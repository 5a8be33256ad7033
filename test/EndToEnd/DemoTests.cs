using System.Text.RegularExpressions;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>The demos of config/samples/demo, as they are but for the addresses, which
/// the bench has no names for.</summary>
[TestFixture]
public sealed partial class DemoTests : SharedBenchTests
{
    private const string Samples = "config/samples/demo/";

    [Test]
    public async Task A_server_and_its_client_under_each_policy()
    {
        var address = ("192.0.2.50", Cluster.OwnAddress(50));
        await StartServerAsync(address);
        await Cluster.ApplyFileAsync(Samples + "tcp-client.yaml", address);
        await AnswersAsync(connection: 1);

        (await EndAsync("tcp-reject")).Should().Be("Failed");
        (await Cluster.GetAsync("podmigration", "tcp-reject", "{.status.message}"))
            .Should().Contain("connected TCP sockets");
        await AnswersAsync(connection: 1);

        (await EndAsync("tcp-established")).Should().Be("Completed");
        await AnswersAsync(connection: 1);
        var kept = Answers();
        kept.Should().OnlyContain(a => a.Connection == 1).And.HaveCountGreaterThan(10);
        kept.Select(a => a.Line).Should().Equal(Enumerable.Range(1, kept.Count).Select(n => (long)n));

        // Another server: this one has moved already.
        await Cluster.KubectlAsync("delete", "pod", await RestoredAsync("tcp-established"), "--timeout=180s");
        await StartServerAsync(address);
        await AnswersAsync(connection: 2);
        (await EndAsync("tcp-close")).Should().Be("Completed");
        await AnswersAsync(connection: 3);
        var (before, after) = (Answers().Last(a => a.Connection == 2), Answers().First(a => a.Connection == 3));
        after.Line.Should().Be(1);
        // A line that was on its way may have been counted and not answered.
        after.Total.Should().BeInRange(before.Total + 1, before.Total + 2);
    }

    [Test]
    public async Task A_broker_keeps_sessions_with_what_is_queued_for_them_and_what_is_retained()
    {
        await Cluster.ApplyFileAsync(Samples + "mosquitto.yaml");
        await Cluster.KubectlAsync("wait", "--for=condition=Ready", "--timeout=180s", "pod/mosquitto");
        await RunAsync("mosquitto-before", "mosquitto");

        (await EndAsync("mosquitto-migration", "mosquitto-to-node-b")).Should().Be("Completed");

        await RunAsync("mosquitto-after", await RestoredAsync("mosquitto-to-node-b"));
        Cluster.Log("node-a", "mosquitto-after", "clients").Should()
            .Equal([.. Enumerable.Range(1, 10).Select(n => $"job={n}"), "green"]);
    }

    private async Task StartServerAsync((string From, string To) address)
    {
        await Cluster.ApplyFileAsync(Samples + "tcp-server.yaml", address);
        await Cluster.KubectlAsync("wait", "--for=condition=Ready", "--timeout=180s", "pod/tcp-server");
    }

    /// <summary>Runs the clients of a broker's pod to their end.</summary>
    private async Task RunAsync(string clients, string broker)
    {
        await Cluster.ApplyFileAsync(
            $"{Samples}{clients}.yaml",
            ("value: mosquitto", "value: " + await Cluster.GetAsync("pod", broker, "{.status.podIP}")));
        (await Cluster.WaitAsync("pod", clients, "{.status.phase}", "Succeeded", "Failed")).Should().Be("Succeeded");
    }

    private async Task<string> EndAsync(string file, string? migration = null)
    {
        await Cluster.ApplyFileAsync($"{Samples}{file}.yaml");
        await Cluster.UntilAsync(
            time => time.Length > 0, "get", "podmigration", migration ?? file, "-o",
            "jsonpath={.status.completionTime}");
        return await Cluster.GetAsync("podmigration", migration ?? file, "{.status.phase}");
    }

    private Task<string> RestoredAsync(string migration) =>
        Cluster.GetAsync("podmigration", migration, "{.status.restoredPodName}");

    /// <summary>Waits until the client has had more answers, over its n-th connection.</summary>
    private async Task AnswersAsync(int connection)
    {
        var before = Answers().Count(a => a.Connection == connection);
        await UntilAsync(
            () => Answers().Count(a => a.Connection == connection) >= before + 5,
            $"no more answers over connection {connection}", "tcp-client", "client");
    }

    private List<(long Connection, long Line, long Total)> Answers() =>
        [.. Cluster.Log("node-b", "tcp-client", "client").Select(l => AnswerPattern().Match(l)).Where(m => m.Success)
            .Select(m => (long.Parse(
                m.Groups[1].Value, null), long.Parse(m.Groups[2].Value, null), long.Parse(m.Groups[3].Value, null)))];

    [GeneratedRegex("^connection=([0-9]+) line=([0-9]+) of=([0-9]+)$")]
    private static partial Regex AnswerPattern();
}
