using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.EndToEnd;

/// <summary>A node is emptied by the plug-in for maintenance, on a cluster that has a ReplicaSet controller.</summary>
[TestFixture]
public sealed class DrainTests() : BenchTests("n", ("POD_CHECKPOINTING_CONTROLLERS", "1"))
{
    [Test]
    public async Task A_node_is_emptied_its_counters_count_on_and_what_cannot_move_is_named_and_left_alone()
    {
        await StartAsync(Pod("bare", Counter("c")));
        await StartAsync(Pod("stuck", Counter("c")).Replace(
            "spec:", "spec:\n  volumes: [{name: host, hostPath: {path: /tmp}}]", StringComparison.Ordinal));
        await Cluster.ApplyAsync($$"""
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: web}
            spec:
              replicas: 2
              selector: {matchLabels: {app: web} }
              template:
                metadata: {labels: {app: web} }
                spec:
                  terminationGracePeriodSeconds: 1
                  containers:
            {{"      " + Counter("c").ReplaceLineEndings("\n      ")}}
            """);
        await Cluster.WaitAsync("deployment", "web", "{.status.readyReplicas}", "2");
        var owned = (await PodsAsync("-l", "app=web")).Single();

        var plan = await DrainAsync(1, "--plan");
        plan.Should().Contain("default/bare: moves to node-b\n").And.Contain($"default/{owned}: moves to node-b\n")
            .And.Contain("default/stuck: stays: PodNotMigratable: spec.volumes \"host\" is a hostPath")
            .And.Contain("Of node-a: 2 would move, 1 would stay, 0 ignored. Nothing was changed.\n");
        // They are deleted when the plan is told, and go when the operator has let them.
        await Wait.UntilAsync(
            async () => (await Cluster.KubectlAsync("get", "podmigrations", "-o", "name")).Length == 0);

        var drained = await DrainAsync(1);
        drained.Should().StartWith("node/node-a cordoned\n")
            .And.MatchRegex(
                $@"\ndefault +bare +bare-\S+ +Completed, Restored +bare-\S+ +\S+ +pod \S+ goes on at node-b\n")
            .And.MatchRegex($@"\ndefault +{owned} +\S+ +Completed, Restored +\S+ +\S+ +pod \S+ goes on at node-b\n")
            .And.MatchRegex("\ndefault +stuck +stays +PodNotMigratable: spec.volumes").And.Contain(
                "\nLeft on node-a: default/stuck.\n");
        (await Cluster.GetAsync("node", "node-a", "{.spec.unschedulable}")).Should().Be("true");
        (await PodsAsync()).Should().Equal("stuck");
        await OneCopyGoesOnAsync("bare");
        await OneCopyGoesOnAsync(owned);
        await CountOnAsync("node-a", "stuck", "c", Cluster.Numbers("node-a", "stuck", "c", "n").Count);
        (await Cluster.KubectlAsync("get", "pods", "-l", "app=web", "-o", "name"))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Should().HaveCount(2, "the ReplicaSet has made no third pod");

        var again = await DrainAsync(1);
        again.Should().StartWith("node/node-a already cordoned\n").And.NotContain("created").And.Contain(
            "\nLeft on node-a: default/stuck.\n");

        await Cluster.KubectlAsync("delete", "pod", "stuck", "--timeout=180s");
        (await DrainAsync(0)).Should().EndWith(
            "\nNothing is left on node-a that would hold up kubectl drain. Afterwards: kubectl uncordon node-a\n");
    }

    private async Task<string> DrainAsync(int code, params string[] options)
    {
        var said = await Cluster.SayAsync(["kubectl", "podmigration", "drain", "node-a", .. options]);
        said.Code.Should().Be(code, "it said {0}", said.Output + said.Error);
        return said.Output;
    }

    /// <summary>The names of the pods of node-a.</summary>
    private async Task<string[]> PodsAsync(params string[] options) =>
        (await Cluster.KubectlAsync(
            [
                "get",
                "pods",
                "--field-selector",
                "spec.nodeName=node-a",
                "-o",
                "jsonpath={.items[*].metadata.name}",
                .. options,
            ]))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
