using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>The kubectl plug-ins as "make plugins" builds them, found by kubectl, on a cluster
/// that does what they ask for.</summary>
[TestFixture]
public sealed class PluginTests : SharedBenchTests
{
    [Test]
    public async Task A_user_checks_moves_snapshots_and_clones_a_pod_by_kubectl_alone()
    {
        await StartAsync(Pod("web", Counter("c")));

        var check = await KubectlAsync(0, "podmigration", "check", "web", "--to", "node-b");
        check.Should().MatchRegex("source node +ok +node-a is ready").And.MatchRegex("target node +ok +node-b is ready")
            .And.Contain("Nothing that can be seen from here keeps pod web from being moved.");

        var moved = await KubectlAsync(0, "create", "podmigration", "move", "--pod", "web", "--to", "node-b", "--wait");
        var restored = await Cluster.GetAsync("podmigration", "move", "{.status.restoredPodName}");
        moved.Should().StartWith("podmigration.lpm.my.domain/move created\n")
            .And.MatchRegex(@"\n\S+ +step Checkpoint +\S+ +\d+ bytes\n").And.MatchRegex(
                @"\n\S+ +step Restore +\S+ +CRIU took \d+ ms\n")
            .And.MatchRegex(
                $"Result: +Completed, Restored\nMessage: +pod {restored} goes on at node-b\nPod: +web -> "
                    + $"{restored}\nNode: +node-a -> node-b\n")
            .And.MatchRegex(@"Downtime: +\d").And.MatchRegex(@"\nCommit +\+\S+ +\S+\n?");
        await CountOnAsync("node-b", restored, "c");

        (await KubectlAsync(0, "podmigration", "status", "move")).Should().MatchRegex("SourceRemoved +True +Succeeded");
        (await KubectlAsync(0, "podmigration", "list"))
            .Should().MatchRegex(@"\nmove +web +node-a +node-b +Completed +Restored +\S+ +\S+ .iB ");
        (await KubectlAsync(0, "podmigration", "watch", "move", "-o", "name"))
            .Should().Be("podmigration.lpm.my.domain/move\n");

        // The pod that is dumped now has itself been restored: it runs on all the same.
        var taken = await KubectlAsync(0, "create", "podcheckpoint", "snap", "--pod", restored, "--wait");
        taken.Should().MatchRegex("Result: +Ready\n").And.MatchRegex($"Pod: +{restored}\n").And.MatchRegex(
            "Node: +node-b\n");
        await CountOnAsync("node-b", restored, "c", Cluster.Numbers("node-b", restored, "c", "n").Count);
        var at = Cluster.Numbers("node-b", restored, "c", "n")[^1];
        // The image has two names, and the runtime says one of them.
        (await KubectlAsync(0, "podmigration", "inspect", "snap"))
            .Should().MatchRegex(@"Artifact: +shared://\S+/\S+\n").And.MatchRegex(
                @"\nc +True +\S+ .iB +\S+ .iB +sha256:[0-9a-f]{64} +(localhost/python:1|docker.io/library/python:3-slim) +crun \S+ +4\.\S+");

        var cloned =
            await KubectlAsync(0, "podmigration", "restore", "snap", "--name", "copy", "--to", "node-a", "--wait");
        cloned.Should().StartWith("pod/copy created\n").And.MatchRegex("Restored +on node-a\n");
        await CountOnAsync("node-a", "copy", "c");
        Cluster.Numbers("node-a", "copy", "c", "n")[0].Should().BeInRange(4, at, "it goes on from the snapshot");
    }

    [Test]
    public async Task A_user_stops_a_migration_that_waits_and_the_pod_goes_on()
    {
        await StartAsync(Pod("stays", Counter("c")));
        await Cluster.KillAsync("agent-node-b");
        try
        {
            var waiting = Cluster.SayAsync(
                "kubectl", "create", "podmigration", "stop", "--pod", "stays", "--to", "node-b", "--wait");
            await Cluster.UntilAsync(
                o => o.Contains("Pending", StringComparison.Ordinal), "get", "podmigration",
                "--ignore-not-found", "stop");
            (await KubectlAsync(0, "podmigration", "status", "stop")).Should().MatchRegex("Result: +Pending\n");

            (await KubectlAsync(0, "podmigration", "abort", "stop", "--wait"))
                .Should().StartWith("podmigration.lpm.my.domain/stop asked to stop\n")
                .And.MatchRegex("Result: +Failed, .*Aborted\n");

            var ended = await waiting;
            ended.Code.Should().Be(1, "it was told while it waited: {0}", ended.Output + ended.Error);
            ended.Output.Should().MatchRegex("Result: +Failed, .*Aborted\n");
            var again = await Cluster.SayAsync("kubectl", "podmigration", "abort", "stop");
            again.Code.Should().Be(3);
            again.Error.Should().Contain("has ended already");
        }
        finally
        {
            await Cluster.StartProcessAsync("agent", "node-b");
        }

        await OneCopyGoesOnAsync("stays");
    }

    [Test]
    public async Task A_user_is_told_why_a_migration_fails_and_what_to_do()
    {
        var said = await KubectlAsync(
            1, "create", "podmigration", "nobody", "--pod", "nobody", "--to", "node-b", "--wait");

        said.Should().MatchRegex(
            "Result: +Failed, PodNotFound\nMessage: +pod nobody does not exist in namespace default\nRemedy: +Check "
                + "spec.podName");
    }

    private async Task<string> KubectlAsync(int code, params string[] arguments)
    {
        var said = await Cluster.SayAsync(["kubectl", .. arguments]);
        said.Code.Should().Be(code, "kubectl {0} said {1}", string.Join(' ', arguments), said.Output + said.Error);
        return said.Output;
    }
}
