using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>Operator and agents as users install them: images built by config/images/build.sh, run as pods by
/// config/default, under its roles, which the API server enforces for them.</summary>
[TestFixture]
public sealed class PodsTests() : BenchTests("p")
{
    private const string System = "pod-checkpointing-system";
    private const string Operator = $"system:serviceaccount:{System}:pod-checkpointing-operator";

    // Rights without a call in these tests, with the call that needs them.
    private static readonly string[] Rare =
    [
        // Kubernetes asks for them of whoever makes an ownerReference that blocks its owner's deletion.
        "update replicasets/finalizers.apps",
        // ObjectObstacles, for a migration with spec.serviceName: ServiceTests.
        "get services",
        // StrayTargets, when a target was created after its migration's end.
        "get podmigrations.lpm.my.domain",
        // MigrationNodes asks once more before a node counts as lost for certain: LostNodeTests.
        "get nodes",
        // Cluster.CreateOrGetAsync reads what was there already: after a crash between the creation and the status.
        "get checkpointnodes.lpm.my.domain",
        "get containercheckpoints.lpm.my.domain",
        "get podcheckpoints.lpm.my.domain",
        "get pods",
        // EventRecorder counts an event that is told again.
        "patch events",
        // PodRestoreReconciler writes on a pod of a user's own what became of its restore.
        "patch pods",
    ];

    protected override Task<LocalCluster.LocalCluster> BringUpAsync(string name) =>
        LocalCluster.LocalCluster.StartPodsAsync(name);

    [Test, Order(1)]
    public async Task All_are_ready_and_the_agents_have_put_their_handler_on_the_nodes()
    {
        var pods = await Cluster.KubectlAsync(
            "-n", System, "get", "pods", "-o",
            "jsonpath={range .items[*]}{.metadata.name} {.spec.containers[0].image} "
                + "{.status.containerStatuses[0].ready}{\"\\n\"}{end}");
        pods.Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().BeEquivalentTo(
            "checkpoint-agent-node-a localhost/checkpoint-agent:0.1.0 true",
            "checkpoint-agent-node-b localhost/checkpoint-agent:0.1.0 true",
            "pod-checkpointing-operator-0 localhost/pod-checkpointing-operator:0.1.0 true",
            "pod-checkpointing-operator-1 localhost/pod-checkpointing-operator:0.1.0 true");

        foreach (var node in new[] { "node-a", "node-b" })
        {
            foreach (var (file, source) in new[] { ("checkpoint-restore", "agent/Restores/Handler"),
                ("checkpoint-fence", "agent/Fences/Hook") })
            {
                File.ReadAllText($"{Cluster.RootOf(node)}/usr/libexec/pod-checkpointing/{file}")
                    .Should().Be(File.ReadAllText($"{Cluster.RootOf(node)}/opt/pod-checkpointing/{source}/{file}"));
            }

            (await Cluster.OnNodeAsync(
                node,
                "test -x /usr/libexec/pod-checkpointing/checkpoint-restore || echo none; ls "
                    + "/etc/containers/oci/hooks.d 2>/dev/null || true"))
                .Should().BeEmpty("containerd reads no hooks there, and whoever else does would run it");
        }
    }

    [Test, Order(2)]
    public async Task A_counter_goes_there_and_back()
    {
        await StartAsync(Pod("there", Counter("c")));
        await MigrateAsync("there", "there-1", "node-b", "Completed");
        var restored = await Cluster.GetAsync("podmigration", "there-1", "{.status.restoredPodName}");
        (await Cluster.GetAsync("pod", restored, "{.spec.nodeName}")).Should().Be("node-b");

        await MigrateAsync(restored, "there-2", "node-a", "Completed");
        await CountOnAsync("node-a", "there-m", "c");
        await OneCopyGoesOnAsync("there");
    }

    [Test, Order(3)]
    public async Task A_checkpoint_alone_says_what_made_it_and_goes_with_its_bytes()
    {
        await StartAsync(Pod("alone", Counter("c")));
        var uri = await CheckpointAsync("alone");
        // The agent has asked the node's own programs, from inside its container.
        (await Cluster.KubectlAsync(
            "get", "containercheckpointcontents", "-o", "jsonpath={.items[*].status.criuVersion}"))
            .Should().MatchRegex(@"\b4\.\d");

        // The store's tool is in the agent's image.
        var agent = await Cluster.KubectlAsync(
            "-n", System, "get", "pod", "checkpoint-agent-node-a", "-o",
            "jsonpath={.status.containerStatuses[0].containerID}");
        (await Cluster.OnNodeAsync(
            "node-a", $"ctr -n k8s.io tasks exec --exec-id tool {agent.Split('/')[^1]} store ls /mnt/checkpoints"))
            .Should().Contain(uri.Split('/')[^1]);

        await Cluster.KubectlAsync("delete", "podcheckpoint", "alone", "--timeout=180s");

        Directory.Exists(FolderOf(uri)).Should().BeFalse();
    }

    [Test, Order(4)]
    public async Task A_migration_that_cannot_be_restored_rolls_back()
    {
        await StartAsync(Pod("back", Counter("c")));
        await WithoutRestoresAsync(() => MigrateAsync("back", "back", "node-b", "Failed"));

        await OneCopyGoesOnAsync("back");
    }

    [Test, Order(5)]
    public async Task A_pod_with_a_claim_for_one_node_stays_where_it_is()
    {
        // No kubelet is needed to refuse it: all that stands in the way is told at once.
        await Cluster.ApplyAsync("""
            apiVersion: v1
            kind: PersistentVolume
            metadata: {name: once}
            spec: {accessModes: [ReadWriteOnce], capacity: {storage: 1Mi}, csi: {driver: disk.example.com, volumeHandle: once}}
            ---
            apiVersion: v1
            kind: PersistentVolumeClaim
            metadata: {name: once}
            spec: {accessModes: [ReadWriteOnce], volumeName: once, resources: {requests: {storage: 1Mi}}}
            """);
        await Cluster.KubectlAsync(
            "patch", "pvc", "once", "--subresource=status", "--type=merge", "-p", "{\"status\":{\"phase\":\"Bound\"}}");
        await Cluster.ApplyAsync(Pod("once", Counter("c"))
            .Replace(
                "  containers:",
                "  volumes: [{name: disk, persistentVolumeClaim: {claimName: once}}]\n  containers:",
                StringComparison.Ordinal));
        await MigrateAsync("once", "once", "node-b", "Failed");

        (await Cluster.GetAsync("podmigration", "once", "{.status.message}"))
            .Should().Contain("mounts claim once, whose volume once has accessModes ReadWriteOnce");
        await Cluster.KubectlAsync(
            "patch", "podmigration", "once", "--type=merge", "-p", """{"spec":{"ttlSecondsAfterFinished":0}}""");
        await Cluster.KubectlAsync("wait", "--for=delete", "--timeout=180s", "podmigration/once");
    }

    [Test, Order(9)]
    public async Task The_operators_roles_grant_what_it_calls_and_nothing_else()
    {
        var calls = AuditLog.CallsOf(Operator, Path.Combine(Cluster.Folder, "audit.log"));
        var granted = AuditLog.Granted(
            await Cluster.KubectlAsync("get", "clusterroles,roles", "-n", System, "-o", "json"),
            "pod-checkpointing-operator");

        calls.Should().HaveCountGreaterThan(50, "five tests have passed before");
        calls.Where(c => c.Code == 403).Select(c => c.Right.ToString()).Distinct()
            .Should().BeEmpty("nothing is missing");
        granted.Should().HaveCountGreaterThan(50, "the roles are read");
        granted.Select(r => r.ToString()).Should().Contain(Rare);
        granted.Except(calls.Select(c => c.Right)).Select(r => r.ToString())
            .Should().BeSubsetOf(Rare, "nothing is unused");
    }

    [Test, Order(9)]
    public async Task The_agents_call_no_API_server()
    {
        CallsOfAgents().Should().BeEmpty();

        // One that they make is seen.
        var kubeconfig = Path.Combine(Cluster.Folder, "run", "agent.kubeconfig");
        await File.WriteAllTextAsync(
            kubeconfig,
            (await File.ReadAllTextAsync(Path.Combine(Cluster.Folder, "operator.kubeconfig"))).Replace(
                "token: bench-operator", "token: bench-agent", StringComparison.Ordinal));
        await Cluster.SayAsync(
            "kubectl", "--kubeconfig", kubeconfig, "get", "--raw", "/api/v1/namespaces/default/pods");
        CallsOfAgents().Should().NotBeEmpty().And.OnlyContain(c => c.Code == 403);
    }

    private IReadOnlyList<(Right Right, int Code)> CallsOfAgents() =>
        AuditLog.CallsOf($"system:serviceaccount:{System}:checkpoint-agent", Path.Combine(Cluster.Folder, "audit.log"));
}
