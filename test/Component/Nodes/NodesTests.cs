using System.Diagnostics;
using System.Text.Json.Nodes;
using FluentAssertions;
using Grpc.Core;
using NUnit.Framework;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Nodes;

/// <summary>The bench's nodes, the restore handler and the fence hook, with real containerd, crun and CRIU.</summary>
internal sealed class NodesTests
{
    private const string Counter = "i=0; while true; do i=$((i+1)); echo n=$i; usleep 50000; done";
    private static readonly string Bench = LocalCluster.LocalCluster.NewName("n");
    private LocalCluster.LocalCluster _bench = null!;
    private NodePods _a = null!;
    private NodePods _b = null!;

    [OneTimeSetUp]
    public async Task Up()
    {
        _bench = await LocalCluster.LocalCluster.StartNodesAsync(Bench);
        _a = new NodePods(_bench, Bench, "node-a");
        _b = new NodePods(_bench, Bench, "node-b");
    }

    [OneTimeTearDown]
    public async Task Down()
    {
        _a?.Dispose();
        _b?.Dispose();
        if (_bench is not null)
        {
            await _bench.DisposeAsync();
            LeftOf(Bench).Should().BeEmpty();
        }
    }

    [Test]
    public async Task A_counter_goes_on_at_the_other_node_with_its_files_and_in_its_cgroup()
    {
        var source = NodePods.Pod("goes", $"echo mine >/mine; rm /etc/group; {Counter}");
        var (_, container) = await _a.RunAsync(source);
        await Wait.UntilAsync(() => _a.Numbers(source).Count >= 5);
        ContainerRuntime.MakerOf(container, _bench.RootOf("node-a")).Should().Be("crun");
        var archive = await _a.CheckpointAsync(container);
        var last = _a.Numbers(source)[^1];

        // A receiver: it waits in its create until the checkpoint is there.
        var target = NodePods.Pod("goes-on", "echo n=-1; sleep 1000", restored: true);
        var sandbox = await _b.SandboxAsync(target);
        var restored = await _b.CreateAsync(target, sandbox);
        var start = _b.Runtime.StartAsync(restored, CancellationToken.None);
        await Wait.UntilAsync(() => Directory.Exists(_b.Staging(target)));
        start.IsCompleted.Should().BeFalse();
        await _b.StageAsync(target, archive);
        await start;
        await Wait.UntilAsync(() => _b.Numbers(target).Count >= 5);

        _a.Numbers(source)[^1].Should().Be(last, "the source was left stopped");
        _b.Numbers(target).Take(5).Should().Equal(Enumerable.Range(1, 5).Select(n => last + n));
        (await _b.ExecAsync(restored, "cat /mine; ls /etc/group"))
            .Should().StartWith("mine\n").And.Contain("No such file");
        foreach (var hierarchy in new[] { "freezer", "memory", "pids", "devices" })
        {
            _b.Processes(target, restored, hierarchy).Should().BePositive(hierarchy);
        }

        File.GetLastWriteTimeUtc(Path.Combine(_b.Staging(target), "restored"))
            .Should().BeAfter(File.GetLastWriteTimeUtc(Path.Combine(_b.Staging(target), "begun")));
        File.Exists(Path.Combine(_b.Staging(target), "running")).Should().BeTrue();

        // A restart is a fresh start: the old state never comes back.
        await _b.Runtime.StopAsync(restored, 0, CancellationToken.None);
        var again = await _b.CreateAsync(target, sandbox, attempt: 1);
        await _b.Runtime.StartAsync(again, CancellationToken.None);
        await Wait.UntilAsync(() => _b.Numbers(target)[^1] == -1);

        // Of the source and of the target nothing stays.
        await _b.Runtime.StopSandboxAsync(sandbox, CancellationToken.None);
        await _b.Runtime.RemoveSandboxAsync(sandbox, CancellationToken.None);
        (await _b.Runtime.ContainersAsync(sandbox, CancellationToken.None)).Should().BeEmpty();
    }

    [Test]
    public async Task A_fenced_pod_starts_nothing_until_the_fence_is_gone()
    {
        var pod = NodePods.Pod("fenced", Counter);
        var sandbox = await _a.SandboxAsync(pod);
        var fence = _a.Fence(pod);
        await File.WriteAllTextAsync(fence, "{}");
        var refused = await _a.CreateAsync(pod, sandbox);

        var failure = await FluentActions.Awaiting(() => _a.Runtime.StartAsync(refused, CancellationToken.None))
            .Should().ThrowAsync<RpcException>();
        failure.Which.Status.Detail.Should().Contain("hook");
        var other = NodePods.Pod("unfenced", Counter);
        await _a.RunAsync(other);
        (await _bench.OnNodeAsync("node-a", "cat /var/lib/pod-checkpointing/fence-hook-ran"))
            .Should().Be(
                await File.ReadAllTextAsync("/proc/sys/kernel/random/boot_id"),
                "the agent knows by it that the hook runs");
        File.Delete(fence);
        await _a.Runtime.StartAsync(await _a.CreateAsync(pod, sandbox, attempt: 1), CancellationToken.None);

        await Wait.UntilAsync(() => _a.Numbers(pod).Count > 0);
    }

    [Test]
    public async Task What_pods_begin_with_is_containerds_own_but_for_the_hook_and_the_limit_of_open_files()
    {
        var own = JsonNode.Parse(await _bench.OnNodeAsync("node-a", "ctr oci spec"))!.AsObject();
        var ours = JsonNode.Parse(await _bench.OnNodeAsync("node-a", "cat /etc/containerd/base-spec.json"))!.AsObject();

        own["process"]!.AsObject().Remove("rlimits").Should().BeTrue();
        own["hooks"] =
            JsonNode.Parse("""{"createRuntime":[{"path":"/usr/libexec/pod-checkpointing/checkpoint-fence"}]}""");
        JsonNode.DeepEquals(ours, own).Should().BeTrue(ours.ToJsonString());
    }

    [Test]
    public async Task Its_containerd_is_set_up_as_a_nodes_but_for_systemd_which_is_not_here()
    {
        var folder =
            Path.Combine(PodCheckpointing.Generate.Repository.Root(AppContext.BaseDirectory), "config/containerd");
        var ours = (await File.ReadAllTextAsync(Path.Combine(folder, "pod-checkpointing.toml"))).Split('\n');
        var there = (await _bench.OnNodeAsync("node-a", "cat /etc/containerd/config.toml")).Split('\n');

        // kubelet has it so since kubeadm 1.22; with cgroupfs crun would take systemd's cgroup for a path.
        ours.Where(line => line.Contains("SystemdCgroup =", StringComparison.Ordinal))
            .Should().HaveCount(ours.Count(line => line.Contains("BinaryName =", StringComparison.Ordinal)))
            .And.OnlyContain(line => line.Trim() == "SystemdCgroup = true");
        there[^ours.Length..].Should().Equal(
            ours.Select(
                line => line.Replace("SystemdCgroup = true", "SystemdCgroup = false", StringComparison.Ordinal)));
    }

    [Test]
    public async Task A_checkpoint_that_cannot_be_staged_starts_nothing_and_says_why()
    {
        var pod = NodePods.Pod("unstaged", Counter, restored: true);
        var container = await _b.CreateAsync(pod, await _b.SandboxAsync(pod));
        Directory.CreateDirectory(_b.Staging(pod));
        await File.WriteAllTextAsync(Path.Combine(_b.Staging(pod), "failed"), "the digest does not match\n");

        var failure = await FluentActions.Awaiting(() => _b.Runtime.StartAsync(container, CancellationToken.None))
            .Should().ThrowAsync<RpcException>();

        failure.Which.Status.Detail.Should().Contain("could not be staged: the digest does not match");
        _b.Numbers(pod).Should().BeEmpty();
    }

    [Test]
    public async Task A_receiver_tells_its_address_while_it_waits()
    {
        var pod = NodePods.Pod("address", Counter, restored: true);
        var container = await _b.CreateAsync(pod, await _b.SandboxAsync(pod));
        var start = _b.Runtime.StartAsync(container, CancellationToken.None);
        await Wait.UntilAsync(() => File.Exists(Path.Combine(_b.Staging(pod), "waiting")));

        (await AddressesAsync(pod.Metadata.Uid!))
            .Should().ContainSingle(address => address.StartsWith("10.", StringComparison.Ordinal));

        start.IsCompleted.Should().BeFalse();
        await File.WriteAllTextAsync(Path.Combine(_b.Staging(pod), "failed"), "not needed\n");
        await FluentActions.Awaiting(() => start).Should().ThrowAsync<RpcException>();
    }

    [Test]
    public async Task An_abandoned_receiver_goes_with_its_pod()
    {
        var pod = NodePods.Pod("abandoned", Counter, restored: true);
        var sandbox = await _b.SandboxAsync(pod);
        var container = await _b.CreateAsync(pod, sandbox);
        using var kubelet = new CancellationTokenSource();
        var start = _b.Runtime.StartAsync(container, kubelet.Token);
        await Wait.UntilAsync(() => Directory.Exists(_b.Staging(pod)));
        await kubelet.CancelAsync();
        await FluentActions.Awaiting(() => start).Should().ThrowAsync<Exception>();

        var watch = Stopwatch.StartNew();
        await _b.Runtime.StopSandboxAsync(sandbox, CancellationToken.None);
        await _b.Runtime.RemoveSandboxAsync(sandbox, CancellationToken.None);

        watch.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(100));
        // What the handler has started looks for its end from time to time.
        await Wait.UntilAsync(
            () => !Directory.EnumerateDirectories("/proc")
                .Any(folder => CommandLine(folder).Contains(container, StringComparison.Ordinal)),
            "no process of the container is left");
    }

    [Test]
    public async Task Two_clusters_run_side_by_side_and_the_second_leaves_nothing()
    {
        var name = LocalCluster.LocalCluster.NewName("m");
        await using (var second = await LocalCluster.LocalCluster.StartNodesAsync(name))
        {
            using var pods = new NodePods(second, name, "node-a");
            var pod = NodePods.Pod("neighbour", Counter);
            await pods.RunAsync(pod);
            await Wait.UntilAsync(() => pods.Numbers(pod).Count > 0);
            LeftOf(name).Should().NotBeEmpty();
        }

        LeftOf(name).Should().BeEmpty();
        LeftOf(Bench).Should().NotBeEmpty();
    }

    /// <summary>containerd's own patience with a shim that is busy is 4 s: on a busy
    /// machine it is asked again.</summary>
    private async Task<IReadOnlyList<string>> AddressesAsync(string podUid)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            try
            {
                return [.. await _b.Agent.AddressesAsync(podUid, patience.Token)];
            }
            catch (Exception exception)
                when (exception is RpcException or OperationCanceledException
                    && watch.Elapsed < TimeSpan.FromSeconds(100))
            {
                await TestContext.Out.WriteLineAsync($"asked again after {watch.Elapsed}: {exception.Message}");
            }
        }
    }

    /// <summary>What there is of a cluster on this machine: cgroups, devices, network name spaces, mounts.</summary>
    private static IEnumerable<string> LeftOf(string cluster) =>
    [
        .. Directory.EnumerateDirectories("/sys/fs/cgroup")
            .SelectMany(h => Directory.EnumerateDirectories(h, $"pc-{cluster}-*")),
        .. Directory.EnumerateFileSystemEntries("/sys/class/net", $"pc{cluster}"),
        .. Directory.EnumerateFileSystemEntries("/sys/class/net", $"v{cluster}-*"),
        .. Directory.Exists("/run/netns") ? Directory.EnumerateFiles("/run/netns", $"pc-{cluster}-*") : [],
        .. File.ReadAllLines("/proc/self/mounts")
            .Where(mount => mount.Contains($"/{cluster}/", StringComparison.Ordinal)),
    ];

    private static string CommandLine(string process)
    {
        try
        {
            return File.ReadAllText(Path.Combine(process, "cmdline"));
        }
        catch (IOException)
        {
            return "";
        }
    }
}
