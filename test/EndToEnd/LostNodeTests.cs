using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>A node that dies in the middle, and the word of somebody that it is dead for certain.</summary>
[TestFixture]
public sealed class LostNodeTests() : BenchTests("l")
{
    private const string Taint = "node.kubernetes.io/out-of-service";

    [Test]
    public async Task A_target_that_dies_after_it_was_let_go_leaves_the_source_stopped_until_somebody_gives_his_word()
    {
        await StartAsync(Pod("dead", Counter("c")));
        await HoldUpCriuAsync("node-b");
        await Cluster.ApplyAsync(Migration("dead", "dead", "node-b"));
        await Cluster.WaitAsync("podmigration", "dead", "{.status.phase}", "Restoring");
        var folder = "/var/lib/pod-checkpointing/restores/"
            + await Cluster.GetAsync("podmigration", "dead", "{.status.restoredPodUID}")
            + "/c";

        // Nobody tells the API server that the target runs; and nobody starts it again when its node dies.
        await Cluster.PauseAsync("kubelet-node-b");
        await Cluster.OnNodeAsync(
            "node-b",
            $"touch /run/criu-go; for i in $(seq 1500); do [ ! -e {folder}/running ] || break; sleep 0.1; done; cat "
                + $"{folder}/running");
        await CountOnAsync("node-b", "dead", "c");
        await Cluster.OnNodeAsync("node-b", $"kill -KILL $(cut -d' ' -f1 {folder}/pid)");
        await CutOffAsync("node-b");
        await NodeIsAsync("node-b", "Unknown");
        var stood = Cluster.Numbers("node-a", "dead", "c", "n").Count;

        await Cluster.WaitAsync("podmigration", "dead", "{.status.conditions[?(@.type==\"Stalled\")].status}", "True");
        (await ConditionAsync("dead", "Stalled", "reason")).Should().Be("TargetUnreachable");
        (await ConditionAsync("dead", "Stalled", "message")).Should()
            .Contain("the source stays stopped at node-a").And.Contain(
                $"kubectl taint node node-b {Taint}=nodeshutdown:NoExecute");
        Cluster.Numbers("node-a", "dead", "c", "n")
            .Should().HaveCount(stood, "the target may run for all that anybody knows");

        await Cluster.KubectlAsync("taint", "node", "node-b", $"{Taint}=nodeshutdown:NoExecute");
        await Cluster.WaitAsync("podmigration", "dead", "{.status.outcome}", "RolledBack");
        (await Cluster.GetAsync("podmigration", "dead", "{.status.message}")).Should().Contain("node node-b was lost");
        await SourceGoesOnAsync("dead", stood);

        // The node is repaired: nothing of that pod is left there, and it takes the next one.
        await LetCriuGoAsync("node-b");
        await ReconnectAsync("node-b");
        await Cluster.ResumeAsync("kubelet-node-b");
        await NodeIsAsync("node-b", "True");
        await Cluster.KubectlAsync("taint", "node", "node-b", $"{Taint}-");
        (await Cluster.OnNodeAsync(
            "node-b",
            "for i in $(seq 1500); do ctr -n k8s.io tasks ls -q | grep -q . || break; sleep 0.1; done; ctr -n "
                + "k8s.io tasks ls -q"))
            .Trim()
                .Should().BeEmpty();
        await MigrateAsync("dead", "dead-again", "node-b", "Completed");
    }

    /// <summary>Goes on from where it stood: no gap, no repeat, no reset in its own log.</summary>
    private async Task SourceGoesOnAsync(string pod, int stood)
    {
        await CountOnAsync("node-a", pod, "c", stood);
        var all = Cluster.Numbers("node-a", pod, "c", "n");
        all.Should().Equal(Enumerable.Range(1, all.Count).Select(n => (long)n));
    }

    private Task<string> ConditionAsync(string migration, string type, string field) =>
        Cluster.GetAsync("podmigration", migration, $"{{.status.conditions[?(@.type==\"{type}\")].{field}}}");
}
