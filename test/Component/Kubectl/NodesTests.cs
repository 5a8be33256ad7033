using System.Text.Json.Nodes;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Kubectl;

/// <summary>What is told of nodes.</summary>
internal sealed class NodesTests() : PluginTests("nodes")
{
    private const string Lacks =
        "no pod can be moved to this node: node west has no restore handler; install the agent's files";

    [OneTimeSetUp]
    public async Task MakeNodesAsync()
    {
        await TellAsync("east", "True", "Succeeded", "pods can be moved away from this node, and to it");
        await TellAsync("west", "False", "NodeNotCapable", Lacks);
        await TellAsync("dark", "Unknown", "AgentUnavailable", "the node's agent does not answer: Connection refused");
        await ApplyAsync("""
            {apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {nodeName: east, containers: [{name: main, image: x}]}}
            """);
        await SetStatusAsync("pod", "web", new { phase = "Running", containerStatuses = new[]
        {
            new { name = "main", image = "x", imageID = "x", ready = true, restartCount = 0, state = new { running = new { } } },
        } });
    }

    [Test]
    public async Task Lists_them_and_fails_while_one_is_not_ready()
    {
        var said = await KubectlAsync("podmigration", "nodes");
        var wide = await KubectlAsync("podmigration", "nodes", "-o", "wide");
        var names = await KubectlAsync("podmigration", "nodes", "-o", "name");

        said.Code.Should().Be(1);
        said.Output.Split('\n').Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
            .Should().SatisfyRespectively(
                header => header.Should().Be("NAME READY REASON AGENT RUNTIME CRIU KERNEL AGE"),
                dark => dark.Should().StartWith("dark Unknown AgentUnavailable 1.0.0 crun 1.28 4.2.1 6.12.4 "),
                east => east.Should().StartWith("east True Succeeded 1.0.0 crun 1.28 4.2.1 6.12.4 "),
                west => west.Should().StartWith("west False NodeNotCapable 1.0.0 "),
                end => end.Should().BeEmpty());
        wide.Output.Should().MatchRegex($"west .* amd64 +AuthenticAMD +one-volume +855.9 GiB +38.2 GiB +{Lacks}\n");
        names.Output.Should().Be(
            "checkpointnode.lpm.my.domain/dark\ncheckpointnode.lpm.my.domain/east\ncheckpointnode.lpm.my.domain/west\n");
    }

    [TestCase("east", 0, "Ready: +True, Succeeded, for ")]
    [TestCase("west", 1, "Message: +" + Lacks + "\nRemedy: +Mend what the message names")]
    [TestCase(
        "dark", 1,
        "Ready: +Unknown, AgentUnavailable, for [^$]*\nRemedy: +kubectl -n pod-checkpointing-system get pods")]
    public async Task Says_of_one_what_it_can_do_and_what_it_lacks(string node, int code, string pattern)
    {
        var said = await KubectlAsync("podmigration", "nodes", node);

        said.Code.Should().Be(code, said.Error);
        said.Output.Should().MatchRegex($"^Node: +{node}\n").And.MatchRegex(pattern)
            .And.MatchRegex("Processor: +amd64 AuthenticAMD\n").And.MatchRegex(
                "Volume: +one-volume, about 855.9 GiB free\nStaging: +about 38.2 GiB free\n");
    }

    [Test]
    public async Task Gives_machines_the_object_and_shells_the_names()
    {
        var json = await KubectlAsync("podmigration", "nodes", "west", "-o", "json");

        json.Code.Should().Be(1);
        ((string)JsonNode.Parse(json.Output)!["status"]!["storeID"]!).Should().Be("one-volume");
        (await KubectlAsync("podmigration", "nodes", "nowhere")).Should().Be(
            new Said(3, "", "error: from server (NotFound): checkpointnodes.lpm.my.domain \"nowhere\" not found\n"));
        // A shell is offered no names where the server is slow.
        (await Wait.UntilAsync(
            () => KubectlAsync("__complete", "podmigration", "nodes", "w"), said => said.Output != ":4\n"))
            .Output.Should().Be("west\n:4\n");
    }

    [TestCase("west", "agent of west +no +no pod can be moved to this node")]
    [TestCase("dark", "agent of dark +no +the node's agent does not answer")]
    public async Task Is_what_a_check_goes_by(string target, string pattern)
    {
        var said = await KubectlAsync("podmigration", "check", "web", "--to", target);

        said.Code.Should().Be(1);
        said.Output.Should().MatchRegex("agent of east +ok +pods can be moved").And.MatchRegex(pattern);
    }

    [Test]
    public async Task A_node_that_takes_no_pods_may_send_them()
    {
        await ApplyAsync(
            "{apiVersion: v1, kind: Pod, metadata: {name: away}, spec: {nodeName: west, containers: [{name: main, "
                + "image: x}]}}");

        (await KubectlAsync("podmigration", "check", "away", "--to", "east")).Output
            .Should().MatchRegex("agent of west +warning +no pod can be moved to this node");
    }

    private async Task TellAsync(string node, string status, string reason, string message)
    {
        await ApplyAsync($"{{apiVersion: v1, kind: Node, metadata: {{name: {node}}}}}");
        await ApplyAsync($"{{apiVersion: lpm.my.domain/v1, kind: CheckpointNode, metadata: {{name: {node}}}}}");
        await SetStatusAsync("checkpointnode", node, new
        {
            conditions = new[]
            {
                new { type = "Ready", status, reason, message, lastTransitionTime = "2026-11-21T08:00:00Z" },
            },
            agentVersion = "1.0.0", runtimeVersion = "crun 1.28", criuVersion = "4.2.1", kernelVersion = "6.12.4", architecture = "amd64", cpuVendor = "AuthenticAMD",
            storeID = "one-volume", storeFreeBytes = 919_000_000_000, stagingFreeBytes = 41_000_000_000, archiveFreeBytes = 41_000_000_000,
        });
    }
}
