using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.EndToEnd;

/// <summary>A newcomer's walk through README.md, in its own words: its blocks of commands are run as they stand there,
/// from the install to the uninstall. ReadmeTests (test/Component/Deploy) knows which block is run where.</summary>
[TestFixture]
public sealed class ReadmeWalkTests() : BenchTests("r")
{
    private const string System = "pod-checkpointing-system";

    private const string RestoreClass = "runtimeclass.node.k8s.io/checkpoint-restore";

    /// <summary>What takes our files off a node with containerd; its service and its
    /// configuration are not the bench's.</summary>
    private static string OfTheNode =>
        string.Join('\n', File.ReadAllText(Path.Combine(Readme.Root, "config/containerd/README.md"))
            .Split("\n## Uninstall\n")[1].Split('\n').Where(line => line.StartsWith("rm ", StringComparison.Ordinal)));

    // Names that earlier blocks have given, as in the reader's shell.
    private readonly List<string> _given = [];

    protected override Task<LocalCluster.LocalCluster> BringUpAsync(string name) =>
        LocalCluster.LocalCluster.StartBareAsync(name);

    [Test, Order(0)]
    public async Task A_cluster_to_try_it_on() =>
        (await FollowAsync(
            "test/LocalCluster/cluster.sh up",
            (" try", $" {LocalCluster.LocalCluster.NewName("t")}"),
            (" bash ", " kubectl get nodes,podmigrations ")))
            .Should().MatchRegex("node/node-a +Ready").And.MatchRegex("node/node-b +Ready");

    [Test, Order(1)]
    public async Task Install()
    {
        // A folder of this walk's own, and the server that the bench's overlay has: it is never mounted there.
        var overlay = $"artifacts/my-cluster-{Environment.ProcessId}";
        string said;
        try
        {
            said = await FollowAsync("mkdir -p my-cluster",
                ("my-cluster", overlay), ("../config", "../../config"), ("10.0.0.1", "nfs.example"),
                ("~/", $"{Cluster.Folder}/"),
                ("registry.example/", "localhost/"));
        }
        finally
        {
            Directory.Delete(Path.Combine(Readme.Root, overlay), recursive: true);
        }

        said.Should().Contain("customresourcedefinition.apiextensions.k8s.io/podmigrations.lpm.my.domain created")
            .And.Contain("daemonset.apps/checkpoint-agent created");
        // The overlay of one's own that it speaks of.
        await Cluster.KubectlAsync("apply", "-k", Path.Combine(Readme.Root, "test/LocalCluster/Pods"));
        await Cluster.StartWorkloadsAsync();

        (await FollowAsync("kubectl -n pod-checkpointing-system rollout status")).Should()
            .Contain("deployment \"pod-checkpointing-operator\" successfully rolled out")
            .And.Contain("daemon set \"checkpoint-agent\" successfully rolled out");
        await Cluster.UntilAsync(
            said => said == "True True",
            "get",
            "checkpointnodes",
            "-o",
            "jsonpath={.items[*].status.conditions[?(@.type==\"Ready\")].status}");
    }

    [Test, Order(2)]
    public async Task The_first_migration()
    {
        var said = await FollowAsync("kubectl apply -f config/samples/demo/counter.yaml");

        said.Should().Contain("Nothing that can be seen from here keeps pod counter from being moved.").And.MatchRegex(
            "Result: +Completed, Restored\n");
        var table = Readme.Blocks.Single(b => b.Text.StartsWith("NAME ", StringComparison.Ordinal)).Text.Split('\n');
        Words(said.Split('\n')[^3]).Should().Equal(Words(table[0]));
        Words(said.Split('\n')[^2])[..6].Should().Equal(Words(table[1])[..6]);

        (await FollowAsync("pod=")).Should().MatchRegex("counter-m.* Running .* node-b\n");
        await CountOnAsync("node-b", "counter", "counter", word: "event");
        var events = Cluster.Numbers("node-a", "counter", "counter", "event")
            .Concat(Cluster.Numbers("node-b", "counter", "counter", "event"))
            .ToList();
        events.Should().Equal(Enumerable.Range(1, events.Count).Select(n => (long)n));
    }

    [Test, Order(3)]
    public async Task Every_day() =>
        (await FollowAsync("kubectl podmigration list")).Should()
            .MatchRegex("default +counter-to-node-b +counter +node-a +node-b +Completed +Restored")
            .And.MatchRegex("Downtime: +[0-9.]+m?s\n").And.MatchRegex(
                "\n  Normal +RestoreVerified .* the runtime restored every container").And.Contain("PodNotMigratable")
            .And.Contain("targetNode\t<string>");

    [Test, Order(4)]
    public async Task Stop_one()
    {
        // It waits for the agent of its target, so that the hand is quicker than the migration.
        await Cluster.KubectlAsync(
            "-n", System, "delete", "pod", "checkpoint-agent-node-a", "--grace-period=1", "--timeout=180s");

        (await FollowAsync("kubectl create podmigration counter-back"))
            .Should().MatchRegex("Result: +Failed, .*Aborted\n");

        await CountOnAsync(
            "node-b", "counter", "counter", Cluster.Numbers("node-b", "counter", "counter", "event").Count, "event");
        await Cluster.StartWorkloadsAsync();
    }

    [Test, Order(5)]
    public async Task Snapshots()
    {
        (await FollowAsync("kubectl create podcheckpoint"))
            .Should().MatchRegex("Result: +Ready\n").And.MatchRegex("Restored +on node-a\n");
        await CountOnAsync("node-a", "counter-clone", "counter", word: "event");
        Cluster.Numbers("node-a", "counter-clone", "counter", "event")[0]
            .Should().BeGreaterThan(3, "it goes on from the snapshot");

        var uri = await Cluster.GetAsync("podcheckpoint", "snapshot", "{.status.podUID}/{.status.checkpointID}");
        // No scheduler here: the node is named.
        await Cluster.ApplyAsync(
            Readme.Blocks.Single(b => b.Text.Contains("<status.podUID>", StringComparison.Ordinal)).Text
            .Replace("<status.podUID>/<status.checkpointID>", uri, StringComparison.Ordinal)
            .Replace("\nspec:\n", "\nspec:\n  nodeName: node-b\n", StringComparison.Ordinal));
        await CountOnAsync("node-b", "clone", "counter", word: "event");
        Cluster.Numbers("node-b", "clone", "counter", "event")[0].Should().BeGreaterThan(3);
        await CountOnAsync(
            "node-b", "counter", "counter", Cluster.Numbers("node-b", "counter", "counter", "event").Count, "event");
    }

    [Test, Order(6)]
    public async Task Drain_a_node()
    {
        (await FollowAsync("kubectl podmigration drain")).Should().StartWith("default/counter-clone: moves to node-b\n")
            .And.MatchRegex(
                @"\ndefault +counter-clone +\S+ +Completed, Restored ").And.Contain("is left on node-a").And.EndWith(
                "node/node-a uncordoned\n");
        await CountOnAsync("node-b", "counter-clone", "counter", word: "event");
    }

    [Test, Order(7)]
    public async Task Operate() =>
        (await FollowAsync("dotnet run", ("/mnt/checkpoints", Path.Combine(Cluster.Folder, "store"))))
            .Should().Contain(await Cluster.GetAsync("podcheckpoint", "snapshot", "{.status.checkpointID}"));

    [Test, Order(8)]
    public async Task Uninstall()
    {
        // What is retained must hold up nothing.
        (await Cluster.SayAsync(
            "kubectl", "create", "podcheckpoint", "kept", "--pod", "clone", "--deletion-policy", "Retain",
            "--wait")).Code
            .Should().Be(0);
        var kept = await Cluster.GetAsync("podcheckpoint", "kept", "{.status.checkpointID}");
        (await FollowAsync("kubectl delete podmigrations")).TrimEnd().Split('\n')[^1]
            .Should().Contain("deleted", "and then nothing is found");
        await FollowAsync("kubectl delete -k", ("my-cluster", "config/default"));
        await Cluster.StopWorkloadsAsync();

        (await Cluster.KubectlAsync(
            "get",
            "crd,ns,pv,runtimeclass,clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding",
            "-o", "name"))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Should().OnlyContain(
                name => name.StartsWith("namespace/", StringComparison.Ordinal) || name == RestoreClass)
            .And.NotContain($"namespace/{System}").And.Contain(RestoreClass, "restored pods live");
        Directory.GetFiles(Path.Combine(Cluster.Folder, "store"), "dump.tar.zst", SearchOption.AllDirectories)
            .Should().ContainSingle().Which.Should().Contain(kept);
        foreach (var (node, pod) in new[] { ("node-b", "counter"), ("node-b", "counter-clone"), ("node-b", "clone") })
        {
            await CountOnAsync(node, pod, "counter", Cluster.Numbers(node, pod, "counter", "event").Count, "event");
        }

        (await FollowAsync("kubectl get pods -A")).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Should().HaveCount(3)
            .And.Contain("default/clone").And.Contain(
                pod => pod.StartsWith("default/counter-clone", StringComparison.Ordinal), "it was drained to its node");
        await Cluster.KubectlAsync("delete", "pod", "--all", "--timeout=180s");
        (await FollowAsync("kubectl get pods -A")).Should().BeEmpty();
        (await FollowAsync("kubectl delete runtimeclass")).Should().Contain("deleted");
        foreach (var node in new[] { "node-a", "node-b" })
        {
            // The bench has mounted it; a node has not.
            await Cluster.OnNodeAsync(node, "umount -l /var/lib/pod-checkpointing");
            await Cluster.OnNodeAsync(node, OfTheNode);
            (await Cluster.OnNodeAsync(
                node,
                "ls -d /usr/libexec/pod-checkpointing /var/lib/pod-checkpointing /etc/containerd/base-spec.json "
                    + "/etc/containers/oci/hooks.d/checkpoint-fence.json 2>/dev/null || true"))
                .Should().BeEmpty();
        }
    }

    /// <summary>Runs a block as it stands in the README, in a shell at the repository's root that
    /// stops at the first error.</summary>
    private async Task<string> FollowAsync(string beginning, params (string From, string To)[] words)
    {
        var block = Readme.Commands(beginning);
        var text = words.Aggregate(block, (all, word) => all.Replace(word.From, word.To, StringComparison.Ordinal));
        var said = await Cluster.SayAsync(
            "bash", "-euo", "pipefail", "-c",
            $"cd '{Readme.Root}'\n{(text.Contains('$') ? string.Concat(_given) : "")}{text}");
        said.Code.Should().Be(0, "it said {0}", said.Output + said.Error);
        _given.AddRange(block.Split('\n')
            .Where(line => line.StartsWith("pod=", StringComparison.Ordinal))
            .Select(line => line + "\n"));
        return said.Output;
    }

    private static string[] Words(string line) => line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
