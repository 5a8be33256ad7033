using System.Diagnostics;
using System.Text.Json.Nodes;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Component.Kubectl;

/// <summary>A node that is drained by the plug-in, with an operator that the test plays.</summary>
internal sealed class DrainTests() : PluginTests("drain")
{
    [OneTimeSetUp]
    public async Task MakeNodeAsync()
    {
        await MakeNodeAsync("edge");
        await MakeNodeAsync("edge-2");
        await ApplyAsync("{apiVersion: v1, kind: Namespace, metadata: {name: drain-too}}");
        await RunAsync("drain", "web");
        await RunAsync("drain-too", "api");
        await RunAsync("drain", "stuck", ", volumes: [{name: host, hostPath: {path: /tmp}}]");
        await RunAsync(
            "drain",
            "agent",
            "",
            "ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: agents, uid: d, controller: true}], ");
        await ApplyAsync(
            "{apiVersion: v1, kind: Pod, metadata: {name: elsewhere}, spec: {nodeName: edge-2, containers: [{name: "
                + "main, image: x}]}}");
    }

    /// <summary>A pod could go there, and other tests say where one can.</summary>
    [OneTimeTearDown]
    public async Task TakeNodesAwayAsync()
    {
        var said = await KubectlAsync("delete", "nodes,checkpointnodes", "edge", "edge-2");
        said.Code.Should().Be(0, said.Error);
    }

    [Test, Order(0)]
    public async Task Plans_by_questions_that_go_again()
    {
        using var plan = Start("podmigration", "drain", "edge", "--plan", "--to", "node-b");
        for (var answered = 0; answered < 3;)
        {
            foreach (var (space, name, pod) in await OpenAsync(plan))
            {
                answered++;
                await EndAsync(space, name, pod == "stuck"
                    ? "WouldFail"
                    : "WouldMigrate", pod == "stuck" ? "spec.volumes \"host\" is a hostPath" : $"pod {pod} could move");
            }
        }

        var (code, output, error) = await EndOfAsync(plan);

        (code, error).Should().Be((1, ""));
        output.Should().Be(
            """
            drain-too/api: moves to node-b
            drain/agent: ignored: DaemonSet agents
            drain/stuck: stays: PodNotMigratable: spec.volumes "host" is a hostPath
            drain/web: moves to node-b

            Of edge: 2 would move, 1 would stay, 1 ignored. Nothing was changed.
            Each was looked at alone: what one takes of a node's room is missing to the next.

            """);
        (await KubectlAsync("get", "podmigrations", "-A", "-l", "lpm.my.domain/drained-node=edge", "-o", "name")).Output
            .Should().BeEmpty();
        (await GetAsync("node", "edge"))["spec"]!["unschedulable"].Should().BeNull();
    }

    [Test, Order(1)]
    public async Task Cordons_and_begins_all_and_a_second_one_joins_the_first_that_was_interrupted()
    {
        using var first = Start("podmigration", "drain", "edge", "--ttl", "1h");
        string[] said =
        [
            (await first.StandardOutput.ReadLineAsync())!,
            (await first.StandardOutput.ReadLineAsync())!,
            (await first.StandardOutput.ReadLineAsync())!,
        ];
        using (var kill = Process.Start("/bin/kill", ["-INT", first.Id.ToString(null, null)]))
        {
            await kill.WaitForExitAsync();
        }

        var (code, output, error) = await EndOfAsync(first);
        var begun = await OpenAsync(first);
        using var second = Start("podmigration", "drain", "edge");
        await second.StandardOutput.ReadLineAsync();
        var joined = await second.StandardOutput.ReadLineAsync();
        foreach (var (space, name, pod) in begun)
        {
            // In the operator's order: the source is gone before its migration has ended.
            await KubectlAsync("delete", "pod", pod, "-n", space, "--force");
            await EndAsync(space, name, "Restored", $"pod {pod}-m goes on at node-b");
        }

        var (last, rest, trouble) = await EndOfAsync(second);
        var again = await KubectlAsync("podmigration", "drain", "edge");

        said[0].Should().Be("node/edge cordoned");
        said[1].Should().MatchRegex("^drain-too/api: podmigration.lpm.my.domain/api-.* created$");
        said[2].Should().MatchRegex("^drain/web: podmigration.lpm.my.domain/web-.* created$");
        code.Should().Be(130, output + error);
        error.Should().Contain("Go on with it: the same command again joins it");
        begun.Select(m => m.Pod).Should().Equal("api", "web");
        joined.Should().EndWith("is under way already");
        (last, trouble).Should().Be((1, ""), rest);
        rest.Should().MatchRegex(@"  Completed, Restored   drain/web: pod web-m goes on at node-b\n")
            .And.MatchRegex("\ndrain +stuck +stays +PodNotMigratable: spec.volumes \"host\" is a hostPath")
            .And.MatchRegex("\ndrain-too +api +api-.* +Completed, Restored").And.Contain(
                "\nLeft on edge: drain/stuck.\n");
        ((bool)(await GetAsync("node", "edge"))["spec"]!["unschedulable"]!).Should().BeTrue();
        again.Code.Should().Be(1);
        again.Output.Should().StartWith("node/edge already cordoned\n").And.NotContain("created").And.EndWith(
            rest[rest.IndexOf("\nLeft on edge", StringComparison.Ordinal)..]);
        var spec = JsonNode.Parse((await KubectlAsync(
            "get", "podmigrations", "-A", "-l", "lpm.my.domain/drained-node=edge", "-o", "json")).Output)!["items"]!
            .AsArray();
        spec.Should().HaveCount(2).And.OnlyContain(
            m => (int)m!["spec"]!["ttlSecondsAfterFinished"]! == 3600 && m["spec"]!["podUID"] != null);
    }

    [Test, Order(2)]
    public async Task Ends_well_when_nothing_is_left()
    {
        await KubectlAsync("delete", "pod", "stuck", "--force");

        var said = await KubectlAsync("podmigration", "drain", "edge");

        said.Should().Be(new Said(
            0,
            "node/edge already cordoned\n\nNothing is left on edge that would hold up kubectl drain. Afterwards: "
                + "kubectl uncordon edge\n",
            ""));
    }

    [Test, Order(3)]
    public async Task Waits_for_a_pod_that_is_terminating()
    {
        await RunAsync("drain", "slow", "", "finalizers: [example.com/hold], ");
        await KubectlAsync("delete", "pod", "slow", "--force", "--wait=false");

        using var drain = Start("podmigration", "drain", "edge");
        await drain.StandardOutput.ReadLineAsync();
        var waits = await drain.StandardOutput.ReadLineAsync();
        await KubectlAsync("patch", "pod", "slow", "--type=merge", "-p", """{"metadata":{"finalizers":null}}""");
        var (code, rest, error) = await EndOfAsync(drain);

        waits.Should().Be("drain/slow: terminating, waited for");
        (code, error).Should().Be((0, ""));
        rest.Should().EndWith(
            "\nNothing is left on edge that would hold up kubectl drain. Afterwards: kubectl uncordon edge\n");
    }

    [Test, Order(0)]
    public async Task Leaves_the_node_as_it_is_where_it_could_not_be_emptied()
    {
        await ApplyAsync("{apiVersion: v1, kind: Node, metadata: {name: unknown}}");
        await ApplyAsync(
            "{apiVersion: v1, kind: Pod, metadata: {name: there}, spec: {nodeName: unknown, containers: [{name: "
                + "main, image: x}]}}");
        await SetStatusAsync("pod", "there", new { phase = "Running", containerStatuses = new[]
        {
            new { name = "main", image = "x", imageID = "", ready = true, restartCount = 0, state = new { running = new { } } },
        } });

        (await KubectlAsync("podmigration", "drain", "edge", "--to", "nowhere")).Should().Be(new Said(
            3, "", "error: --to nowhere: there is no such node: see kubectl get nodes\nNothing was changed.\n"));
        (await KubectlAsync("podmigration", "drain", "unknown")).Should().Be(new Said(
            1, "",
            "error: no operator has looked at unknown yet: does it run? kubectl get pods -A -l "
                + "app.kubernetes.io/name=pod-checkpointing-operator\nNothing was changed.\n"));
        foreach (var node in new[] { "edge", "unknown" })
        {
            (await GetAsync("node", node))["spec"]!["unschedulable"].Should().BeNull();
        }

        await KubectlAsync("delete", "pod", "there", "--force");
    }

    [Test]
    public async Task Knows_its_node() => (await KubectlAsync("podmigration", "drain", "nowhere")).Should().Be(new Said(
        3, "", "error: from server (NotFound): nodes \"nowhere\" not found\n"));

    /// <summary>The migrations of these pods that nobody has answered, when there are some.</summary>
    private async Task<(string Space, string Name, string Pod)[]> OpenAsync(Process asking)
    {
        while (true)
        {
            var items =
                JsonNode.Parse((await KubectlAsync("get", "podmigrations", "-A", "-o", "json")).Output)!["items"]!
                    .AsArray();
            var open = items.Where(m => m!["status"] is null
                && ((string)m["metadata"]!["namespace"]!).StartsWith("drain", StringComparison.Ordinal))
                .Select(
                    m => (
                        (string)m!["metadata"]!["namespace"]!, (string)m["metadata"]!["name"]!,
                        (string)m["spec"]!["podName"]!))
                .OrderBy(m => m.Item3, StringComparer.Ordinal).ToArray();
            if (open.Length > 0)
            {
                return open;
            }

            asking.HasExited.Should().BeFalse();
        }
    }

    /// <summary>One that is ready, and of which the operator says so.</summary>
    private async Task MakeNodeAsync(string name)
    {
        await ApplyAsync($"{{apiVersion: v1, kind: Node, metadata: {{name: {name}}}}}");
        await ApplyAsync($"{{apiVersion: lpm.my.domain/v1, kind: CheckpointNode, metadata: {{name: {name}}}}}");
        await SetStatusAsync(
            "node", name,
            new { conditions = new[] { new { type = "Ready", status = "True", reason = "KubeletReady" } } });
        await SetStatusAsync("checkpointnode", name, new { agentVersion = "1", conditions = new[]
        {
            new { type = "Ready", status = "True", reason = "Succeeded", message = "", lastTransitionTime = "2026-11-21T08:00:00Z" },
        } });
    }

    private async Task EndAsync(string space, string name, string outcome, string message)
    {
        var good = outcome != "WouldFail";
        var status = System.Text.Json.JsonSerializer.Serialize(new
        {
            status = new
            {
                phase = good
                    ? "Completed"
                    : "Failed", outcome, message, targetNode = "node-b", startTime = "2026-11-21T08:00:00Z", completionTime = "2026-11-21T08:00:01Z",
                conditions = new[] { new { type = "Ready", status = good ? "True" : "False", reason = good
                    ? "Succeeded"
                    : "PodNotMigratable", message, lastTransitionTime = "2026-11-21T08:00:01Z" } },
            },
        });
        var said = await KubectlAsync(
            "patch", "podmigration", name, "-n", space, "--subresource=status", "--type=merge", "-p", status);
        said.Code.Should().Be(0, said.Error);
    }

    private static async Task<(int Code, string Output, string Error)> EndOfAsync(Process process)
    {
        var said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, said[0], said[1]);
    }

    private async Task RunAsync(string space, string name, string more = "", string meta = "")
    {
        await ApplyAsync(
            $$$"""{apiVersion: v1, kind: Pod, metadata: { {{{meta}}}name: {{{name}}}, namespace: {{{space}}}}, spec: {nodeName: edge, containers: [{name: main, image: busybox}]{{{more}}}}}""");
        const string status =
            """{"status":{"phase":"Running","containerStatuses":[{"name":"main","image":"busybox","imageID":"","ready":true,"restartCount":0,"state":{"running":{}}}]}}""";
        var said = await KubectlAsync(
            "patch", "pod", name, "-n", space, "--subresource=status", "--type=merge", "-p", status);
        said.Code.Should().Be(0, said.Error);
    }
}
