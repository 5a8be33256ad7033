using System.Diagnostics;
using System.Text.Json.Nodes;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Kubectl;

/// <summary>Migrations that a test moves on, followed by the plug-in.</summary>
internal sealed class FollowTests() : PluginTests("follow")
{
    private static readonly DateTime Began = new(2026, 11, 21, 8, 0, 0, DateTimeKind.Utc);

    [Test]
    public async Task Watches_a_migration_to_its_end()
    {
        await CreateAsync("watched");
        using var watch = Start("podmigration", "watch", "watched");
        await SetStatusAsync("podmigration", "watched", Running());
        await ReadUntilAsync(watch.StandardOutput, "Checkpointing    the source is being dumped");
        await SetStatusAsync("podmigration", "watched", Restored());

        var rest = await watch.StandardOutput.ReadToEndAsync();
        await watch.WaitForExitAsync();

        watch.ExitCode.Should().Be(0, rest + await watch.StandardError.ReadToEndAsync());
        rest.Should().Contain("step Checkpoint  2.0s").And.EndWith(
            """
            Migration:    follow/watched
            Result:       Completed, Restored
            Message:      pod web-m0b1c2d3e goes on at node-b
            Pod:          web -> web-m0b1c2d3e
            Node:         node-a -> node-b
            Downtime:     312ms
            Checkpoint:   8.0 MiB (8388608 bytes), 4.0 MiB/s
            Time:         3.5s

            STEP         BEGAN   TOOK    MESSAGE
            Validate     +0ms    500ms
            Checkpoint   +1.0s   2.0s    1 container

            """);
    }

    [Test]
    public async Task Fails_when_the_migration_was_rolled_back()
    {
        await CreateAsync("undone");
        await SetStatusAsync("podmigration", "undone", RolledBack());

        var watch = await KubectlAsync("podmigration", "watch", "undone");
        var quiet = await KubectlAsync("podmigration", "watch", "undone", "-q");
        var status = await KubectlAsync("podmigration", "status", "undone");
        var json = await KubectlAsync("podmigration", "watch", "undone", "-o", "json");

        watch.Code.Should().Be(1);
        watch.Output.Should().Contain("Result:      Failed, RolledBack, RestoreFailed");
        quiet.Should().Be(new Said(
            1, "",
            "error: podmigration.lpm.my.domain/undone: Failed, RolledBack, RestoreFailed: container main could not "
                + "be restored\n"));
        status.Code.Should().Be(1);
        status.Output.Should().Contain("CONDITION").And.Contain("RestoreFailed");
        json.Code.Should().Be(1);
        JsonNode.Parse(json.Output)!["status"]!["outcome"]!.GetValue<string>().Should().Be("RolledBack");
    }

    [Test]
    public async Task Waits_for_what_it_creates()
    {
        using var create = Start("create", "podmigration", "waited", "--pod", "web", "--wait", "-o", "yaml");
        await ReadUntilAsync(create.StandardError, "podmigration.lpm.my.domain/waited created");
        await SetStatusAsync("podmigration", "waited", Restored());

        var output = await create.StandardOutput.ReadToEndAsync();
        await create.WaitForExitAsync();

        create.ExitCode.Should().Be(0);
        output.Should().StartWith("apiVersion: lpm.my.domain/v1\nkind: PodMigration\n").And.Contain(
            "\n  outcome: Restored\n");
    }

    [Test]
    public async Task Waits_for_a_checkpoint()
    {
        using var create = Start("create", "podcheckpoint", "kept", "--pod", "web", "--wait");
        await ReadUntilAsync(create.StandardOutput, "podcheckpoint.lpm.my.domain/kept created");
        await SetStatusAsync("podcheckpoint", "kept", new
        {
            ready = true,
            checkpointID = "20261121t080000z-0b1c2d",
            boundContentName = "pcpc-1",
            size = 2048,
            nodeName = "node-a",
            containers = new[] { "main" },
            conditions = new[] { Condition("Ready", "True", "CheckpointCompleted", "the checkpoint is whole") },
        });

        var output = await create.StandardOutput.ReadToEndAsync();
        await create.WaitForExitAsync();

        create.ExitCode.Should().Be(0);
        output.Should().MatchRegex("Result: +Ready\n").And.MatchRegex(@"Size: +2\.0 KiB \(2048 bytes\)\n");
    }

    [Test]
    public async Task Fails_with_a_checkpoint_that_failed()
    {
        using var create = Start("create", "podcheckpoint", "lost", "--pod", "web", "--wait", "-q");
        await Wait.UntilAsync(() => KubectlAsync("get", "podcheckpoint", "lost"), said => said.Code == 0);
        await SetStatusAsync(
            "podcheckpoint", "lost",
            new { error = new { reason = "PodNotFound", message = "pod web does not exist" } });
        await create.WaitForExitAsync();

        create.ExitCode.Should().Be(1);
        (await create.StandardError.ReadToEndAsync())
            .Should().Contain("PodNotFound").And.Contain("pod web does not exist");
    }

    [Test]
    public async Task Ends_on_an_interrupt_and_says_how_to_go_on()
    {
        await CreateAsync("interrupted");
        using var watch = Start("podmigration", "watch", "interrupted");
        await SetStatusAsync("podmigration", "interrupted", Running());
        await ReadUntilAsync(watch.StandardOutput, "Checkpointing");

        using var kill = Process.Start("/bin/kill", ["-INT", watch.Id.ToString(null, null)]);
        await watch.WaitForExitAsync();

        watch.ExitCode.Should().Be(130);
        (await watch.StandardError.ReadToEndAsync()).Should().Be(
            """
            error: stopped waiting; podmigration.lpm.my.domain/interrupted goes on without you.
            Go on watching: kubectl podmigration watch interrupted -n follow
            Stop it:        kubectl podmigration abort interrupted -n follow

            """);
        (await GetAsync("podmigration", "interrupted"))["spec"]!.ToJsonString().Should().Be("""{"podName":"web"}""");
    }

    [Test]
    public async Task Ends_when_the_migration_is_deleted()
    {
        await CreateAsync("deleted");
        using var watch = Start("podmigration", "watch", "deleted");
        await SetStatusAsync("podmigration", "deleted", Running());
        await ReadUntilAsync(watch.StandardOutput, "Checkpointing");

        await KubectlAsync("delete", "podmigration", "deleted");
        await watch.WaitForExitAsync();

        watch.ExitCode.Should().Be(1);
        (await watch.StandardError.ReadToEndAsync())
            .Should().Contain("podmigration.lpm.my.domain/deleted was deleted before it ended");
    }

    [Test]
    public async Task Outlives_a_restart_of_the_API_server()
    {
        await CreateAsync("outlived");
        using var watch = Start("podmigration", "watch", "outlived");
        await SetStatusAsync("podmigration", "outlived", Running());
        await ReadUntilAsync(watch.StandardOutput, "Checkpointing");

        await Cluster.RestartAsync("kube-apiserver");
        await SetStatusAsync("podmigration", "outlived", Restored());
        await watch.WaitForExitAsync();

        watch.ExitCode.Should().Be(0, await watch.StandardError.ReadToEndAsync());
    }

    [Test]
    public async Task Asks_a_migration_to_stop_only_while_it_can()
    {
        await CreateAsync("stopped");

        var first = await KubectlAsync("podmigration", "abort", "stopped");
        var second = await KubectlAsync("podmigration", "abort", "stopped");
        await SetStatusAsync("podmigration", "stopped", RolledBack());
        var waited = await KubectlAsync("podmigration", "watch", "stopped", "-q");
        var late = await KubectlAsync("podmigration", "abort", "stopped");

        first.Should().Be(new Said(0, "podmigration.lpm.my.domain/stopped asked to stop\n", ""));
        second.Output.Should().Be("podmigration.lpm.my.domain/stopped was asked to stop before\n");
        waited.Code.Should().Be(1);
        late.Code.Should().Be(3);
        late.Error.Should().Contain("has ended already (Failed, RolledBack, RestoreFailed)");
        (await GetAsync("podmigration", "stopped"))["spec"]!["abort"]!.GetValue<bool>().Should().BeTrue();
    }

    private async Task CreateAsync(string name) =>
        (await KubectlAsync("create", "podmigration", name, "--pod", "web")).Code.Should().Be(0);

    private static async Task ReadUntilAsync(StreamReader reader, string text)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(180));
        var seen = "";
        while (!seen.Contains(text, StringComparison.Ordinal))
        {
            var line = await reader.ReadLineAsync(deadline.Token)
                ?? throw new AssertionException($"\"{text}\" was not said, but: {seen}");
            seen += line + "\n";
        }
    }

    private static object Condition(string type, string status, string reason, string message) =>
        new { type, status, reason, message, lastTransitionTime = Began };

    private static object Running() => new
    {
        phase = "Checkpointing",
        message = "the source is being dumped",
        startTime = Began,
        sourceNode = "node-a",
        targetNode = "node-b",
        steps = new object[] { new { name = "Validate", startedAt = Began, finishedAt = Began.AddSeconds(0.5) } },
    };

    private static object Restored() => new
    {
        phase = "Completed",
        message = "pod web-m0b1c2d3e goes on at node-b",
        outcome = "Restored",
        startTime = Began,
        completionTime = Began.AddSeconds(3.5),
        sourceNode = "node-a",
        targetNode = "node-b",
        restoredPodName = "web-m0b1c2d3e",
        downtimeMilliseconds = 312,
        checkpointBytes = 8388608,
        steps = new object[]
        {
            new { name = "Validate", startedAt = Began, finishedAt = Began.AddSeconds(0.5) },
            new { name = "Checkpoint", startedAt = Began
                .AddSeconds(1), finishedAt = Began.AddSeconds(3), message = "1 container" },
        },
    };

    private static object RolledBack() => new
    {
        phase = "Failed",
        message = "container main could not be restored",
        outcome = "RolledBack",
        startTime = Began,
        completionTime = Began.AddSeconds(3),
        conditions = new[] { Condition("Ready", "False", "RestoreFailed", "container main could not be restored") },
    };
}
