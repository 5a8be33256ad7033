using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.EndToEnd;

/// <summary>Checkpoints without a migration: cloned, kept, offered to others, refused to strangers, removed.</summary>
[TestFixture]
public sealed class StandaloneTests : SharedBenchTests
{
    [Test]
    public async Task Clones_go_on_from_one_checkpoint_on_any_node()
    {
        await StartAsync(Pod("origin", Counter("c")));
        var uri = await CheckpointAsync("origin");
        var atCheckpoint = Cluster.Numbers("node-a", "origin", "c", "n").Count;

        await Cluster.ApplyAsync(Clone("clone-a", "node-a", uri, Counter("c")));
        await Cluster.ApplyAsync(Clone("clone-b", "node-b", uri, Counter("c")));

        foreach (var (node, name) in new[] { ("node-a", "clone-a"), ("node-b", "clone-b") })
        {
            await CountOnAsync(node, name, "c");
            Cluster.Numbers(node, name, "c", "n")[0]
                .Should().BeInRange(3, atCheckpoint + 1, "it goes on where the origin stood");
            await OutcomeAsync("default", name, o => o == "Restored");
        }

        await CountOnAsync("node-a", "origin", "c", Cluster.Numbers("node-a", "origin", "c", "n").Count);
        await Cluster.UntilAsync(
            events => events.Contains("goes on from PodCheckpoint origin"), "get", "events", "--field-selector",
            "involvedObject.name=clone-b");
    }

    [Test]
    public async Task The_samples_take_a_snapshot_of_the_counter_and_start_a_clone_of_it()
    {
        await Cluster.KubectlAsync("apply", "-f", Path.Combine(LocalCluster.LocalCluster.Samples, "counter.yaml"));
        await Cluster.KubectlAsync("wait", "--for=condition=Ready", "--timeout=180s", "pod/counter");
        await CountOnAsync("node-a", "counter", "counter", word: "event");

        var said = await Cluster.SayAsync(Path.Combine(LocalCluster.LocalCluster.Samples, "snapshot.sh"), "node-b");

        said.Code.Should().Be(0, "it said {0}", said.Output + said.Error);
        said.Output.Should().EndWith("the clone: Restored\n").And.MatchRegex(
            "counter-snapshot +counter +node-a +true +CheckpointCompleted ");
        var behind = Cluster.Numbers("node-a", "counter", "counter", "event").Count;
        await CountOnAsync("node-b", "counter-clone", "counter", word: "event");
        await CountOnAsync("node-a", "counter", "counter", behind, "event");
        Cluster.Numbers("node-b", "counter-clone", "counter", "event")[0]
            .Should().BeInRange(4, behind, "it remembers what the first had counted");
    }

    [Test]
    public async Task A_pod_of_another_namespace_gets_no_byte()
    {
        await StartAsync(Pod("private", Counter("c")));
        var uri = await CheckpointAsync("private");
        await Cluster.KubectlAsync("create", "namespace", "thief");

        await Cluster.ApplyAsync(Clone("thief", "node-b", uri, Counter("c")).Replace(
            "  name: thief\n", "  name: thief\n  namespace: thief\n", StringComparison.Ordinal));

        await OutcomeAsync(
            "thief", "thief", o => o.Contains("no PodCheckpoint of namespace thief", StringComparison.Ordinal));
        Cluster.Log("node-b", "thief", "c").Should().BeEmpty("a container without its memory is not started");
        var uid = await Cluster.KubectlAsync("-n", "thief", "get", "pod", "thief", "-o", "jsonpath={.metadata.uid}");
        var staged = Path.Combine(Cluster.Folder, "node-b", "state", "restores", uid, "c");
        await Wait.UntilAsync(() => File.Exists(Path.Combine(staged, "waiting")));
        // The words of the handler and of the agent, and nothing of the checkpoint.
        Directory.GetFileSystemEntries(staged).Select(Path.GetFileName).Should().BeSubsetOf(
            ["waiting", "wake", "pages-asked", "failed", "late", "error"]);
    }

    [Test]
    public async Task A_retained_checkpoint_is_offered_to_another_namespace_and_restored_there()
    {
        await StartAsync(Pod("gift", Counter("c")));
        var uri = await CheckpointAsync("gift", more: "deletionPolicy: Retain");
        var content = await Cluster.GetAsync("podcheckpoint", "gift", "{.status.boundContentName}");
        await Cluster.KubectlAsync("delete", "podcheckpoint", "gift", "--timeout=180s");
        await Cluster.KubectlAsync(
            "wait", "pcpc", content, "--for=jsonpath={.status.conditions[?(@.type==\"Bound\")].reason}=Released",
            "--timeout=180s");
        await Cluster.KubectlAsync("create", "namespace", "heir");
        await Cluster.ApplyAsync($$"""
            apiVersion: lpm.my.domain/v1
            kind: PodCheckpoint
            metadata: {name: gift, namespace: heir}
            spec: {podCheckpointContentName: {{content}}}
            """);
        await Cluster.KubectlAsync(
            "-n",
            "heir",
            "wait",
            "--for=jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}=BindingMismatch",
            "--timeout=180s",
            "pcp/gift");

        await Cluster.KubectlAsync(
            "patch", "pcpc", content, "--type=json", "-p",
            """[{"op":"replace","path":"/spec/podCheckpointRef","value":{"namespace":"heir","name":"gift"}},{"op":"replace","path":"/spec/deletionPolicy","value":"Delete"}]""");

        await Cluster.KubectlAsync("-n", "heir", "wait", "--for=condition=Ready", "--timeout=180s", "pcp/gift");
        await Cluster.ApplyAsync(Clone("heir", "node-b", uri, Counter("c")).Replace(
            "  name: heir\n", "  name: heir\n  namespace: heir\n", StringComparison.Ordinal));
        await CountOnAsync("node-b", "heir", "c");
        Cluster.Numbers("node-b", "heir", "c", "n")[0].Should().BeGreaterThan(1);

        await OutcomeAsync("heir", "heir", o => o == "Restored");
        await Cluster.KubectlAsync("-n", "heir", "delete", "podcheckpoint", "gift", "--timeout=180s");
        Directory.Exists(FolderOf(uri)).Should().BeFalse("its content says Delete now");
        (await Cluster.KubectlAsync("get", "pcpc,ccpc", "-o", "jsonpath={.items[*].spec.source.podName}"))
            .Should().NotContain("gift");
    }

    [Test]
    public async Task One_container_that_cannot_be_dumped_leaves_nothing_of_the_others()
    {
        await StartAsync(Pod("half", Counter("c"), Python("bad", ConnectedToItself)));
        await CountOnAsync("node-a", "half", "bad");
        await Cluster.ApplyAsync("""
            apiVersion: lpm.my.domain/v1
            kind: PodCheckpoint
            metadata: {name: half}
            spec: {podName: half}
            """);

        await Cluster.WaitAsync("podcheckpoint", "half", "{.status.error.reason}", "EstablishedTcpConnections");

        (await Cluster.GetAsync("podcheckpoint", "half", "{.status.error.message}")).Should().Contain("container bad");
        await Cluster.UntilAsync(
            o => o == "bad", "get", "ccp", "-o",
            "jsonpath={.items[?(@.spec.podName==\"half\")].spec.containerName}");
        var id = await Cluster.GetAsync("podcheckpoint", "half", "{.status.podUID}/{.status.checkpointID}");
        Directory.Exists(Path.Combine(Cluster.Folder, "store", id, "c")).Should().BeFalse();
        await CountOnAsync("node-a", "half", "c", Cluster.Numbers("node-a", "half", "c", "n").Count);
    }

    [Test]
    public async Task A_bound_content_cannot_be_deleted_from_under_its_claim()
    {
        await StartAsync(Pod("held", Counter("c")));
        var uri = await CheckpointAsync("held");
        var content = await Cluster.GetAsync("podcheckpoint", "held", "{.status.boundContentName}");

        await Cluster.KubectlAsync("delete", "pcpc", content, "--wait=false");

        await Cluster.UntilAsync(
            o => o.Contains("InUse", StringComparison.Ordinal), "get", "events", "-A", "--field-selector",
            $"involvedObject.name={content}");
        File.Exists(Path.Combine(FolderOf(uri), ".checkpoint-complete")).Should().BeTrue();
        await Cluster.KubectlAsync("delete", "podcheckpoint", "held", "--timeout=180s");
        await Cluster.KubectlAsync("wait", "--for=delete", "--timeout=180s", $"pcpc/{content}");
        Directory.Exists(FolderOf(uri)).Should().BeFalse();
    }

    private Task OutcomeAsync(string scope, string pod, Func<string, bool> done) =>
        Cluster.UntilAsync(
            done, "-n", scope, "get", "pod", pod, "-o",
            "jsonpath={.metadata.annotations.lpm\\.my\\.domain/restore-outcome}");

    private static string Clone(string name, string node, string uri, params string[] containers) => $$"""
        apiVersion: v1
        kind: Pod
        metadata:
          name: {{name}}
          annotations: {io.kubernetes.cri-o.checkpoint-restore: "{{uri}}" }
        spec:
          nodeName: {{node}}
          runtimeClassName: checkpoint-restore
          terminationGracePeriodSeconds: 1
          containers:
        {{string.Join('\n', containers)}}
        """;
}
