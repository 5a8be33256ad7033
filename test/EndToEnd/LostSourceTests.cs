using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.EndToEnd;

/// <summary>A node that is lost while a pod leaves it: what is not on the volume is lost with it, and only that. And
/// what a node that was given up as lost lets go when it comes back.</summary>
[TestFixture]
public sealed class LostSourceTests() : BenchTests("m")
{
    private const string Taint = "node.kubernetes.io/out-of-service";

    /// <summary>How long the end may take once it is said that the node is dead: far less than the
    /// migration's own timeout, 300 s.</summary>
    private static readonly TimeSpan AtOnce = TimeSpan.FromSeconds(100);

    private bool _agentIsDead;

    /// <summary>The nodes come back, as if their power had: nothing of their old pods is left.</summary>
    [TearDown]
    public async Task Repair()
    {
        await LetCriuGoAsync("node-a");
        await LetPodsGoAsync();
        foreach (var node in new[] { "node-a", "node-b" })
        {
            await ReconnectAsync(node);
            await Cluster.ResumeAsync($"kubelet-{node}");
            await NodeIsAsync(node, "True");
            await Cluster.KubectlAsync("patch", "node", node, "--type=merge", "-p", """{"spec":{"taints":null}}""");
        }

        await Cluster.KubectlAsync("delete", "pod,podmigration", "--all", "--timeout=180s");
        if (_agentIsDead)
        {
            await Cluster.StartProcessAsync("agent", "node-a");
            _agentIsDead = false;
        }

        (await OnSourceAsync(
            "for i in $(seq 1500); do ctr -n k8s.io tasks ls -q | grep -q . || break; sleep 0.1; done; ctr -n k8s.io "
                + "tasks ls -q"))
            .Trim().Should().BeEmpty();
    }

    [Test]
    [Order(1)]
    public async Task What_stands_whole_on_the_volume_goes_on_though_its_node_was_lost_before_it_could_say_so()
    {
        await StartAsync(Pod("sealed", Counter("c")));
        await HoldUpCriuAsync("node-a");
        await Cluster.ApplyAsync(Migration("sealed", "sealed", "node-b"));
        await CriuHasComeAsync("node-a");

        // The agent reaches the volume and its kubelet still, and its answer nobody.
        await OnSourceAsync("iptables -I OUTPUT -o eth0 -p tcp --sport 50051 -j DROP; touch /run/criu-go");
        var uid = await Cluster.GetAsync("podmigration", "sealed", "{.status.podUID}");
        var stored = new DirectoryInfo(Path.Combine(Cluster.Folder, "store", uid));
        await Wait.UntilAsync(() => Directory.Exists(stored.FullName)
            && stored.EnumerateDirectories().Any(d => File.Exists(Path.Combine(d.FullName, ".checkpoint-complete"))));
        await DieAsync();
        (await Cluster.GetAsync("podmigration", "sealed", "{.status.phase}")).Should().Be("Checkpointing");
        await SayItIsDeadAsync("node-a");

        await Cluster.WaitAsync("podmigration", "sealed", "{.status.outcome}", "Restored", "Lost", "RolledBack");
        (await Cluster.GetAsync("podmigration", "sealed", "{.status.outcome}")).Should().Be(
            "Restored", await Cluster.GetAsync("podmigration", "sealed", "{.status.message}"));
        await Cluster.WaitAsync("podmigration", "sealed", "{.status.phase}", "Completed");
        await OneCopyGoesOnAsync("sealed");
    }

    [Test]
    [Order(2)]
    public async Task A_source_that_is_lost_before_its_dump_ends_the_migration_at_once()
    {
        await StartAsync(Pod("before", Counter("c")));
        // No target comes to wait, and so nothing is fenced.
        await HoldUpPodsAsync();
        await Cluster.ApplyAsync(Migration("before", "before", "node-b"));
        await Cluster.UntilAsync(
            name => name.Length > 0, "get", "podmigration", "before", "-o", "jsonpath={.status.restoredPodName}");
        await DieAsync();
        await SayItIsDeadAsync("node-a");
        await Cluster.OnNodeAsync("node-b", "touch /run/go");

        await HasEndedAsync("before", "SourceGone");
    }

    [Test]
    [Order(3)]
    public async Task A_source_that_is_lost_during_its_dump_ends_the_migration_at_once()
    {
        await StartAsync(Pod("during", Counter("c")));
        await HoldUpCriuAsync("node-a");
        await Cluster.ApplyAsync(Migration("during", "during", "node-b"));
        await CriuHasComeAsync("node-a");
        await DieAsync();
        await SayItIsDeadAsync("node-a");

        await HasEndedAsync("during", "Lost");
    }

    [Test]
    [Order(4)]
    public async Task A_node_that_was_given_up_as_lost_lets_the_addresses_go_that_it_held()
    {
        var annotations = $"annotations: {{cni.projectcalico.org/ipAddrsNoIpam: '[\"{Cluster.OwnAddress(9)}\"]'}}";
        await Cluster.ApplyAsync(Pod("held", Counter("c")).Replace(
            "{name: held}", $"{{name: held, {annotations}}}", StringComparison.Ordinal));
        await CountOnAsync("node-a", "held", "c");
        await HoldUpPodsAsync();
        await Cluster.ApplyAsync(Migration("held", "held", "node-b", "tcpPolicy: Established\n  timeoutSeconds: 60"));
        await Cluster.WaitAsync(
            "podmigration", "held", "{.status.conditions[?(@.type==\"Checkpointed\")].status}", "True");
        await Cluster.OnNodeAsync(
            "node-b", "for i in $(seq 1500); do iptables -t raw -S | grep -q DROP && exit; sleep 0.1; done; exit 1");
        await Cluster.PauseAsync("kubelet-node-b");
        await CutOffAsync("node-b");
        await SayItIsDeadAsync("node-b");
        await Cluster.WaitAsync("podmigration", "held", "{.status.outcome}", "RolledBack");
        (await Cluster.OnNodeAsync("node-b", "iptables -t raw -S")).Should().Contain("DROP", "nobody could ask it");

        await ReconnectAsync("node-b");
        await Cluster.ResumeAsync("kubelet-node-b");
        await Cluster.KubectlAsync("taint", "node", "node-b", $"{Taint}-");
        await NodeIsAsync("node-b", "True");

        // Its last word on it.
        var log = Path.Combine(Cluster.Folder, "log", "agent-node-b.log");
        await Wait.UntilAsync(async () => (await File.ReadAllTextAsync(log)).Contains(
            "Released expired address holds of 1 migrations", StringComparison.Ordinal));
        (await Cluster.OnNodeAsync(
            "node-b", "iptables -t raw -S; ls /var/lib/pod-checkpointing/addresses | grep -v over || true"))
            .Should().NotContain("DROP")
            .And.Be("-P PREROUTING ACCEPT\n-P OUTPUT ACCEPT\n");
        await CountOnAsync("node-a", "held", "c", Cluster.Numbers("node-a", "held", "c", "n").Count);
    }

    private async Task HasEndedAsync(string migration, string outcome)
    {
        var watch = Stopwatch.StartNew();
        await Cluster.WaitAsync("podmigration", migration, "{.status.outcome}", outcome, "Restored", "RolledBack");
        watch.Elapsed.Should().BeLessThan(AtOnce);
        (await Cluster.GetAsync("podmigration", migration, "{.status.outcome}")).Should().Be(outcome);
        (await Cluster.GetAsync("podmigration", migration, "{.status.conditions[?(@.type==\"RolledBack\")].reason}"))
            .Should().Be("NodeLost");
        (await Cluster.GetAsync("podmigration", migration, "{.status.message}"))
            .Should().Contain("node-a was lost before").And.Contain("the source is gone with node node-a");
    }

    /// <summary>Nobody answers on node-a any more, and its pods are gone as a node's are that has no power.</summary>
    private async Task DieAsync()
    {
        await Cluster.PauseAsync("kubelet-node-a");
        await CutOffAsync("node-a");
        _agentIsDead = true;
        await Cluster.KillAsync("agent-node-a");
        await OnSourceAsync(
            "for task in $(ctr -n k8s.io tasks ls | awk 'NR > 1 {print $2}'); do kill -KILL $task || true; done");
    }

    private async Task SayItIsDeadAsync(string node)
    {
        await NodeIsAsync(node, "Unknown");
        await Cluster.KubectlAsync("taint", "node", node, $"{Taint}=nodeshutdown:NoExecute");
    }

    private Task<string> OnSourceAsync(string command) => Cluster.OnNodeAsync("node-a", command);
}
