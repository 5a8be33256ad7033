using System.Globalization;
using FluentAssertions;
using Grpc.Core;
using NUnit.Framework;
using NUnit.Framework.Interfaces;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Component.Restores;

/// <summary>The agent on a node with cgroup v2 and systemd, above kubelet and containerd: the bench's nodes have cgroup
/// v1 and no systemd.</summary>
/// <remarks>A quarter of an hour: make test-unified, and not of make test.</remarks>
[Category("Emulated")]
public sealed class UnifiedNodeTests
{
    private const string Container = "counter";
    private const string Holder = "migration";

    private static readonly string[] Volumes = ["disk", "memory"];
    private static int _checkpoints;

    private EmulatedNode _node = null!;

    [OneTimeSetUp]
    public async Task StartAsync() => _node = await EmulatedNode.StartAsync();

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (_node is not null)
        {
            await _node.DisposeAsync();
        }
    }

    [TearDown]
    public async Task TellAsync()
    {
        if (TestContext.CurrentContext.Result.Outcome.Status == TestStatus.Failed)
        {
            await TestContext.Out.WriteLineAsync(await _node.TailsAsync());
        }
    }

    [Test]
    public async Task A_fenced_pod_stands_still_from_its_dump_on_and_goes_on_when_the_fence_is_lifted()
    {
        var pod = await RunAsync("still");

        await FenceAsync(pod);
        var dumped = await DumpAsync(pod);

        dumped.LeftStopped.Should().BeTrue();
        var last = (await NumbersAsync(pod))[^1];
        (await _node.ShellAsync($"cat {await ScopeAsync(pod)}/container/cgroup.events")).Should().Contain("frozen 0");

        var lifted = await UnfenceAsync(pod, resume: true);

        lifted.ContainerNames.Should().Equal(Container);
        var numbers = await UntilBeyondAsync(pod, last);
        numbers.Should().Equal(Enumerable.Range(1, numbers.Count), "none is left out, and none comes twice");
        await DeleteAsync(pod);
    }

    [Test]
    public async Task The_node_can_do_all_that_a_migration_asks_for_unless_its_options_keep_crun_from_the_cgroup()
    {
        var pod = await RunAsync("looked-at");

        var node = await _node.Agent.GetCapabilitiesAsync(
            new GetCapabilitiesRequest { PodUid = pod.Uid, VolumeNames = { Volumes } }, Patience, default);

        node.RuntimeMessage.Should().BeEmpty();
        node.KubeletMessage.Should().BeEmpty();
        (node.KubeletCheckpoint, node.RestoreHandler, node.FenceHook).Should().Be((true, true, true));
        node.Pod.Obstacles.Should().BeEmpty();
        node.Pod.MemoryBytes.Should().BePositive();

        await _node.ShellAsync("echo manage-cgroups=ignore >/etc/criu/crun.conf");
        node = await _node.Agent.GetCapabilitiesAsync(new GetCapabilitiesRequest(), Patience, default);
        await _node.ShellAsync("rm /etc/criu/crun.conf");
        node.RuntimeMessage.Should().Contain("manage-cgroups=ignore");
        await DeleteAsync(pod);
    }

    // Plain, and running before all of its pages are in.
    [TestCase("small", 0)]
    [TestCase("large", 8 << 20)]
    public async Task A_pod_goes_on_in_its_own_scope_with_its_limits_and_again_from_there(string name, int ballast)
    {
        var first = await RunAsync($"{name}-1", ballast);

        var second = await MoveAsync(first, $"{name}-2", ballast);
        var third = await MoveAsync(second, $"{name}-3", ballast);

        await DeleteAsync(third);
        (await _node.ShellAsync($"ls -d /sys/fs/cgroup/kubepods.slice/*/*{Escaped(third)}* 2>/dev/null; true"))
            .Should().BeEmpty("nothing of it is left");
    }

    // The runtime freezes the container's cgroup for the whole of a dump.
    [Test]
    public async Task A_dump_whose_agent_was_killed_is_found_though_it_takes_long()
    {
        var pod = await RunAsync("found");
        var id = NewId();
        await FenceAsync(pod);

        // CRIU has read its options by then.
        await _node.ShellAsync(
            """
            cat >/job/hold <<'SH'
            #!/bin/sh
            [ "$CRTOOLS_SCRIPT_ACTION" = pre-dump ] || exit 0
            : >/job/held
            while [ -e /job/held ]; do sleep 0.1; done
            SH
            chmod 755 /job/hold && echo action-script=/job/hold >/etc/criu/crun.conf
            """);
        var lost = DumpAsync(pod, id);
        await _node.UntilSaysAsync("ls /job/held", said => said == "/job/held");
        await _node.KillAgentAsync();
        await FluentActions.Awaiting(() => lost).Should().ThrowAsync<RpcException>();
        await _node.StartAgentAsync();
        var again = DumpAsync(pod, id);
        // Longer than a container that runs is waited for.
        await Task.WhenAny(again, Task.Delay(TimeSpan.FromSeconds(6)));
        again.IsCompleted.Should().BeFalse();
        await _node.ShellAsync("rm /job/held");

        (await again).LeftStopped.Should().BeTrue();
        (await _node.ShellAsync("cat /etc/criu/crun.conf && ls /etc/criu /var/lib/kubelet/checkpoints"))
            .Should().StartWith("action-script=/job/hold\n/").And.NotContain("checkpoint-");
        await _node.ShellAsync("rm /etc/criu/crun.conf");
        var last = (await NumbersAsync(pod))[^1];
        await UnfenceAsync(pod, resume: true);
        var numbers = await UntilBeyondAsync(pod, last);
        numbers.Should().Equal(Enumerable.Range(1, numbers.Count));
        await DeleteAsync(pod);
    }

    // As the operator does it.
    private async Task<Pod> MoveAsync(Pod source, string name, int ballast)
    {
        var id = NewId();
        var target = await CreateAsync(name, ballast, $"shared://{source.Uid}/{id}");
        await UntilAsync(target, "Waiting");
        await FenceAsync(source);
        var dumped = await DumpAsync(source, id);
        dumped.LeftStopped.Should().BeTrue();
        var before = await NumbersAsync(source);

        var prepare = new PrepareRestoreRequest
        {
            PodNamespace = "default", PodName = target.Name, PodUid = target.Uid, ContainerName = Container,
            ArtifactUri = dumped.ArtifactUri, ExpectedDigest = dumped.CompressedDigest,
        };
        prepare.ContainerNames.Add(Container);
        prepare.VolumeNames.Add(Volumes);
        await _node.Agent.PrepareRestoreAsync(prepare, Patience, default);
        await UntilAsync(target, "Restored");
        var scope = await ScopeAsync(target);
        (await StatesAsync(target)).Should().OnlyContain(state => state == 'T');

        await _node.Agent.ReleaseRestoreAsync(
            new ReleaseRestoreRequest { PodUid = target.Uid }, Patience, default);
        await UntilAsync(target, "Running");
        var numbers = await UntilBeyondAsync(target, before[^1]);
        numbers[0].Should().Be(before[^1] + 1);
        numbers.Should().Equal(Enumerable.Range(numbers[0], numbers.Count));
        (await _node.ShellAsync($"cat {scope}/memory.max {scope}/../memory.max {scope}/../pids.max"))
            .Split('\n').Should().Equal("67108864", "67108864", "100");

        if (ballast > 0)
        {
            // lazy-pages has brought all of them.
            await _node.UntilSaysAsync(
                $"cat /var/lib/pod-checkpointing/restores/{target.Uid}/{Container}/pages", said => said == "0");
        }

        await _node.Agent.EndProcessesAsync(
            new EndProcessesRequest { PodUid = source.Uid, Holder = Holder }, Patience, default);
        await DeleteAsync(source);
        await UnfenceAsync(source, resume: false);
        return target;
    }

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private sealed record Pod(string Name, string Uid);

    // As systemd has it in the name of a unit.
    private static string Escaped(Pod pod) => pod.Uid.Replace('-', '_');

    private static string NewId() => $"20261122t120000z-{Interlocked.Increment(ref _checkpoints):d6}";

    // Counts, and keeps the number in both kinds of emptyDir.
    private async Task<Pod> CreateAsync(string name, int ballast, string? checkpoint = null)
    {
        var restored = checkpoint is null
            ? ""
            : $"annotations: {{io.kubernetes.cri-o.checkpoint-restore: \"{checkpoint}\"}}";
        await _node.KubectlAsync(
            $$$"""
            apiVersion: v1
            kind: Pod
            metadata:
              name: {{{name}}}
              {{{restored}}}
            spec:
              nodeName: {{{EmulatedNode.Name}}}
              {{{(checkpoint is null ? "" : "runtimeClassName: checkpoint-restore")}}}
              terminationGracePeriodSeconds: 1
              containers:
                - name: {{{Container}}}
                  image: localhost/busybox:1
                  command:
                    - sh
                    - -c
                    - |
                      held=$(head -c {{{ballast}}} /dev/zero | tr '\0' x)
                      n=0
                      while :; do n=$((n + 1)); echo $n; echo $n >/disk/n; echo $n >/memory/n; sleep 0.5; done
                  resources: {limits: {memory: 64Mi}}
                  readinessProbe: {exec: {command: [test, -s, /memory/n]}, periodSeconds: 5}
                  volumeMounts: [{name: disk, mountPath: /disk}, {name: memory, mountPath: /memory}]
              volumes:
                - {name: disk, emptyDir: {}}
                - {name: memory, emptyDir: {medium: Memory, sizeLimit: 8Mi}}
            """,
            "create", "-f", "-");
        return new Pod(name, await _node.KubectlAsync(null, "get", "pod", name, "-o", "jsonpath={.metadata.uid}"));
    }

    private async Task<Pod> RunAsync(string name, int ballast = 0)
    {
        var pod = await CreateAsync(name, ballast);
        await _node.KubectlAsync(null, "wait", "--for=condition=Ready", "--timeout=180s", $"pod/{name}");
        return pod;
    }

    private Task DeleteAsync(Pod pod) => _node.KubectlAsync(null, "delete", "pod", pod.Name, "--timeout=180s");

    private Task<FenceResponse> FenceAsync(Pod pod) => _node.Agent.FenceAsync(
        new FenceRequest
        {
            PodNamespace = "default", PodName = pod.Name, PodUid = pod.Uid, Holder = Holder,
            TcpPolicy = TcpPolicies.Close,
        },
        Patience, default);

    private Task<UnfenceResponse> UnfenceAsync(Pod pod, bool resume) => _node.Agent.UnfenceAsync(
        new UnfenceRequest { PodUid = pod.Uid, Holder = Holder, Resume = resume }, Patience, default);

    private Task<CheckpointResponse> DumpAsync(Pod pod, string? id = null)
    {
        var request = new CheckpointRequest
        {
            PodNamespace = "default", PodName = pod.Name, PodUid = pod.Uid, ContainerName = Container,
            CheckpointId = id ?? NewId(), FenceHolder = Holder,
        };
        request.SealContainers.Add(Container);
        request.VolumeNames.Add(Volumes);
        return _node.Agent.CheckpointAsync(request, Patience, default);
    }

    private async Task UntilAsync(Pod pod, string phase)
    {
        var request = new GetRestoreRequest
        {
            PodUid = pod.Uid, WaitMilliseconds = 5000, Until = phase == "Running" ? "" : phase,
        };
        request.ContainerNames.Add(Container);
        await TestKit.Wait.UntilAsync(
            async () => (await _node.Agent.GetRestoreAsync(request, Patience, default)).Containers[0],
            seen => seen.Phase == "Failed" ? throw new InvalidOperationException(seen.Message) : seen.Phase == phase);
    }

    private async Task<List<int>> NumbersAsync(Pod pod) =>
        [.. (await _node.ShellAsync($"sed 's/.* //' /var/log/pods/default_{pod.Name}_*/{Container}/*.log"))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => int.Parse(line, CultureInfo.InvariantCulture))];

    private Task<List<int>> UntilBeyondAsync(Pod pod, int number) => TestKit.Wait.UntilAsync(
        () => NumbersAsync(pod), numbers => numbers.Count > 0 && numbers[^1] > number + 1);

    // The container's cgroup, in its pod's slice, under the runtime's name for it.
    private async Task<string> ScopeAsync(Pod pod) => await _node.ShellAsync(
        $"id=$(ctr -n k8s.io containers list -q 'labels.\"io.kubernetes.pod.uid\"=={pod.Uid},"
        + $"labels.\"io.kubernetes.container.name\"=={Container}') && "
        + "ls -d /sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/"
        + $"kubepods-burstable-pod{Escaped(pod)}.slice/cri-containerd-$id.scope");

    private async Task<IEnumerable<char>> StatesAsync(Pod pod) => await _node.ShellAsync(
        $"for pid in $(cat {await ScopeAsync(pod)}/container/cgroup.procs); do "
        + "sed -n 's/^State:\\t\\(.\\).*/\\1/p' /proc/$pid/status; done | tr -d '\\n'");
}
