using System.Globalization;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.EndToEnd;

/// <summary>What a failure leads to where the user has asked for something else than the way back,
/// and what a dry run tells.</summary>
[TestFixture]
public sealed class OutcomeTests : SharedBenchTests
{
    [Test]
    public async Task ColdStart_starts_the_pod_afresh_when_its_source_has_ended_for_certain()
    {
        await StartAsync(Pod("cold", Counter("c")));
        await WithoutRestoresAsync(() => EndsAsync("cold", "Completed", "onFailure: ColdStart"));

        (await StatusAsync("cold", "outcome")).Should().Be("ColdStarted");
        (await StatusAsync("cold", "message"))
            .Should().Contain("container c could not be restored").And.Contain("its memory is lost");
        (await ConditionAsync("cold", "SourceRemoved", "status")).Should().Be("True");
        (await ConditionAsync("cold", "Ready", "status")).Should().Be("False");
        var fresh = await StatusAsync("cold", "restoredPodName");
        (await Cluster.GetAsync("pod", fresh, "{.spec.nodeName} {.metadata.uid}"))
            .Should().Be("node-b " + await StatusAsync("cold", "restoredPodUID"));
        (await PodsOfAsync("cold")).Should().Equal(fresh);

        await CountOnAsync("node-b", "cold", "c");
        Cluster.Numbers("node-b", "cold", "c", "n").Should().StartWith([1, 2, 3], "it has begun afresh");
        // One machine, one clock: the last word of the source is older than the first one of the fresh pod.
        Times("node-a", "cold").Max().Should().BeBefore(Times("node-b", "cold").Min());
        (await OnBothAsync("ls /var/lib/pod-checkpointing/fences 2>/dev/null"))
            .Should().Be("", "no fence outlives its pod");
    }

    [Test]
    public async Task A_namespace_that_is_deleted_during_a_cold_start_is_not_held_by_it()
    {
        await Cluster.KubectlAsync("create", "namespace", "leaving");
        // The source's object goes when the test says so, and not before the namespace does.
        await StartInAsync("leaving", "finalizers: [test.example/held]");
        await WithoutRestoresAsync(async () =>
        {
            await Cluster.ApplyAsync(Migration("leaving", "leaving", "node-b", "onFailure: ColdStart").Replace(
                "{name: leaving}", "{name: leaving, namespace: leaving}", StringComparison.Ordinal));
            await Cluster.UntilAsync(
                steps => steps.Contains("ColdStart", StringComparison.Ordinal), "-n", "leaving", "get", "podmigration",
                "leaving", "-o", "jsonpath={.status.steps[*].name}");
        });

        // As Kubernetes' namespace controller does, which the bench has not.
        await Cluster.KubectlAsync(
            "patch", "namespace", "leaving", "--subresource=status", "--type=merge", "-p",
            """{"status":{"phase":"Terminating"}}""");
        await Cluster.KubectlAsync(
            "-n", "leaving", "delete", "podmigrations,podcheckpoints,pods", "--all", "--wait=false");
        await Cluster.KubectlAsync(
            "-n", "leaving", "patch", "pod", "leaving", "--type=merge", "-p", """{"metadata":{"finalizers":null}}""");

        await Cluster.UntilAsync(
            left => left.Length == 0, "-n", "leaving", "get", "podmigrations,podcheckpoints,containercheckpoints,pods",
            "-o", "name");
        File.ReadLines(Path.Combine(Cluster.Folder, "audit.log")).Should().Contain(
            line => line.Contains("\"verb\":\"create\"")
                && line.Contains("\"resource\":\"pods\",\"namespace\":\"leaving\"")
                && line.Contains("\"code\":403"), "the fresh pod was refused");
        await Cluster.KubectlAsync("delete", "namespace", "leaving");
    }

    [Test]
    public async Task Leave_keeps_everything_as_the_failure_left_it_until_it_is_aborted()
    {
        await StartAsync(
            Pod("leave", Counter("c").Replace("import time", "import time # leave-me", StringComparison.Ordinal)));
        await WithoutRestoresAsync(() => EndsAsync("leave", "Failed", "onFailure: Leave"));
        (await StatusAsync("leave", "outcome")).Should().Be("Left");

        (await StatusAsync("leave", "message"))
            .Should().Contain("left as it stands: the source is fenced at node-a").And.Contain("Set spec.abort");
        (await StatusAsync("leave", "completionTime")).Should().BeEmpty("it has not ended");
        (await StatusAsync("leave", "podAccessible")).Should().NotBe("true");
        (await PodsOfAsync("leave")).Should().BeEquivalentTo("leave", await StatusAsync("leave", "restoredPodName"));
        var uid = await StatusAsync("leave", "podUID");
        (await Cluster.OnNodeAsync("node-a", $"ls /var/lib/pod-checkpointing/fences")).Trim().Should().Be(uid);
        (await Cluster.GetAsync("podcheckpoint", await StatusAsync("leave", "podCheckpointName"), "{.status.ready}"))
            .Should().Be("true");
        Cluster.Numbers("node-b", "leave", "c", "n").Should().BeEmpty("the target never ran");
        var stood = Cluster.Numbers("node-a", "leave", "c", "n").Count;
        (await Cluster.OnNodeAsync(
            "node-a", "grep -h State: $(grep -ls 'leave-m[e]' /proc/[0-9]*/cmdline | sed 's/cmdline/status/')")).Trim()
            .Should().Be("State:\tT (stopped)");

        await Cluster.KubectlAsync(
            "patch", "podmigration", "leave", "--type=merge", "-p", """{"spec":{"abort":true}}""");
        await Cluster.WaitAsync("podmigration", "leave", "{.status.outcome}", "RolledBack");

        Cluster.Numbers("node-a", "leave", "c", "n").Count.Should().BeGreaterThanOrEqualTo(stood);
        await OneCopyGoesOnAsync("leave");
        // Its node has nothing of the target any more; its kubelet says so when it comes to it.
        await Wait.UntilAsync(async () => (await PodsOfAsync("leave")).SequenceEqual(["leave"]));
    }

    [Test]
    public async Task A_dry_run_says_that_a_pod_would_move_and_touches_nothing()
    {
        await StartAsync(Pod("dry", Counter("c")));
        await EndsAsync("dry", "Completed", "dryRun: true");

        (await StatusAsync("dry", "outcome")).Should().Be("WouldMigrate");
        (await StatusAsync("dry", "message")).Should().StartWith("pod dry could move from node-a to node-b");
        (await ConditionAsync("dry", "Validated", "status")).Should().Be("True");
        await NothingWasDoneAsync("dry");
    }

    [Test]
    public async Task A_dry_run_names_all_that_stands_in_the_way()
    {
        const string Volume = "  volumes:\n  - name: node\n    hostPath: {path: /tmp}\n";
        await StartAsync(
            Pod("wet", Counter("c")).Replace(
                "  containers:", Volume + "  hostNetwork: true\n  containers:", StringComparison.Ordinal), "c");
        await EndsAsync("wet", "Failed", "dryRun: true\n  tcpPolicy: Established\n  serviceName: nowhere", "node-c");

        (await StatusAsync("wet", "outcome")).Should().Be("WouldFail");
        var message = await StatusAsync("wet", "message");
        foreach (var why in new[] { "cni.projectcalico.org/ipAddrsNoIpam",
            "\"node\" is a hostPath", "hostNetwork", "node node-c does not exist", "nowhere" })
        {
            message.Should().Contain(why);
        }

        (await ConditionAsync("wet", "Validated", "status")).Should().Be("False");
        await NothingWasDoneAsync("wet");
    }

    /// <summary>A pod in a namespace of the same name.</summary>
    private async Task StartInAsync(string name, string metadata)
    {
        await Cluster.ApplyAsync(Pod(name, Counter("c")).Replace(
            $"{{name: {name}}}", $"{{name: {name}, namespace: {name}, {metadata}}}", StringComparison.Ordinal));
        await CountOnAsync("node-a", name, "c");
    }

    /// <summary>No pod, no checkpoint, no fence, no step but the first; and the counter goes on.</summary>
    private async Task NothingWasDoneAsync(string pod)
    {
        (await PodsOfAsync(pod)).Should().Equal(pod);
        (await Cluster.KubectlAsync("get", "podcheckpoints,containercheckpoints", "-o", "name"))
            .Should().NotContain(pod);
        (await OnBothAsync(
            "ls /var/lib/pod-checkpointing/fences /var/lib/pod-checkpointing/dumps 2>/dev/null | grep -v : || true"))
            .Trim()
            .Should().BeEmpty();
        (await StatusAsync(pod, "steps[*].name")).Should().Be("Validate");
        await OneCopyGoesOnAsync(pod);
    }

    private async Task EndsAsync(string pod, string phase, string more, string target = "node-b")
    {
        await Cluster.ApplyAsync(Migration(pod, pod, target, more));
        await Cluster.UntilAsync(
            outcome => outcome.Length > 0, "get", "podmigration", pod, "-o", "jsonpath={.status.outcome}");
        (await StatusAsync(pod, "phase")).Should().Be(phase, "it said: {0}", await StatusAsync(pod, "message"));
    }

    private Task<string> StatusAsync(string migration, string path) =>
        Cluster.GetAsync("podmigration", migration, $"{{.status.{path}}}");

    private Task<string> ConditionAsync(string migration, string type, string field) =>
        StatusAsync(migration, $"conditions[?(@.type==\"{type}\")].{field}");

    private async Task<string[]> PodsOfAsync(string pod) =>
        [.. (await Cluster.KubectlAsync("get", "pods", "-o", "jsonpath={.items[*].metadata.name}")).Split(' ')
            .Where(n => n == pod || n.StartsWith(pod + "-", StringComparison.Ordinal))];

    private async Task<string> OnBothAsync(string command) =>
        await Cluster.OnNodeAsync("node-a", command + " || true")
        + await Cluster.OnNodeAsync("node-b", command + " || true");

    /// <summary>When a counter's lines were written.</summary>
    private List<DateTime> Times(string node, string pod) =>
        [.. Directory.GetDirectories(Path.Combine(Cluster.Folder, node, "pods-log"))
            .Where(d => Path.GetFileName(d).Split('_')[1].StartsWith(pod, StringComparison.Ordinal))
            .SelectMany(d => Directory.GetFiles(Path.Combine(d, "c")))
            .SelectMany(LocalCluster.LocalCluster.WholeLines)
            .Where(line => line.Contains(" n=", StringComparison.Ordinal))
            .Select(line => DateTime.Parse(
                line.Split(' ')[0], CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind))
            .Order()];
}
