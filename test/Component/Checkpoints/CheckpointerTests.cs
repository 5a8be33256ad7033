using System.Diagnostics;
using FluentAssertions;
using Grpc.Core;
using NUnit.Framework;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Checkpoints;

/// <summary>Dumps of several pods on one node: what one of them waits for costs the others no downtime.</summary>
internal sealed class CheckpointerTests
{
    private const string Slow = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    private const string Quick = "0b0f9a3e-52f1-4a6e-8d8c-3f5a0e0b7f11";
    private AgentNode _node = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _node = await AgentNode.StartAsync();
        _node.Holder = "m";
    }

    [TearDown]
    public async Task StopAsync() => await _node.DisposeAsync();

    [Test]
    public async Task A_pod_does_not_stand_still_for_the_volumes_of_another()
    {
        await GivenAsync(Slow, "large");
        await GivenAsync(Quick, "small");
        // Takes minutes, and then stands still: that its tar is stopped is what the test waits for, not a time.
        using (var sparse = File.Create(Path.Combine(_node.Volume(Slow, "large"), "sparse")))
        {
            sparse.SetLength(1L << 36);
        }

        var slow = _node.CheckpointAsync(Slow, "app", ["app"], "large");
        using var tar = await TarOfAsync(Slow, slow);
        try
        {
            Signal("STOP", tar);

            await _node.CheckpointAsync(Quick, "app", ["app"], "small").WaitAsync(TimeSpan.FromSeconds(100));

            _node.Store.IsSealed(Quick, AgentNode.Id).Should().BeTrue();
            slow.IsCompleted.Should().BeFalse();
        }
        finally
        {
            tar.Kill();
        }

        (await FluentActions.Awaiting(() => slow).Should().ThrowAsync<RpcException>("its volume cannot be read whole"))
            .Which.Should().Match<RpcException>(
                e => e.StatusCode == StatusCode.Unavailable && AgentReasons.Of(e) == Reasons.StoreUnavailable);
        _node.Store.IsSealed(Slow, AgentNode.Id).Should().BeFalse();
    }

    [Test]
    public async Task Two_containers_that_are_stored_at_once_are_sealed_together_with_the_pods_volumes()
    {
        await GivenAsync(Quick, "small");
        _node.Run(Quick, "other");

        await Task.WhenAll(
            _node.CheckpointAsync(Quick, "app", ["app", "other"], "small"),
            _node.CheckpointAsync(Quick, "other", ["app", "other"], "small"));

        _node.Store.FindSealed(Quick, AgentNode.Id).Select(m => m.Container)
            .Should().Equal(".volumes/small", "app", "other");
        _node.Dumps.Should().Be(2);
    }

    [Test]
    public async Task A_process_stands_still_when_a_busy_machine_has_let_it_see_the_signal()
    {
        await GivenAsync(Quick, "small");
        using var written = new ManualResetEventSlim();
        var process = _node.Containers.Single().Process.Id;
        // The agent looks for 2 s: too short for a thread to come out of a full pool, and for a program to start.
        var stopper = new Thread(() =>
        {
            written.Wait();
            Thread.Sleep(50);
            Signals.Stop(process);
        });
        stopper.Start();
        _node.Dump = async path =>
        {
            await AgentNode.WriteAsync(path, await File.ReadAllBytesAsync(AgentNode.Archive));
            written.Set();
            return path;
        };

        try
        {
            (await _node.CheckpointAsync(Quick, "app")).LeftStopped.Should().BeTrue();
        }
        finally
        {
            written.Set();
            stopper.Join();
        }
    }

    [Test]
    public async Task A_process_that_somebody_has_continued_does_not_stand_still()
    {
        await GivenAsync(Quick, "small");
        var process = _node.Containers.Single().Process;
        _node.Dump = async path =>
        {
            await StopAndWriteAsync(path);
            await Wait.UntilAsync(() => ProcessState.IsHeld(process.Id));
            Signal("CONT", process);
            await Wait.UntilAsync(() => !ProcessState.IsHeld(process.Id));
            return path;
        };

        (await _node.CheckpointAsync(Quick, "app")).LeftStopped.Should().BeFalse();
    }

    [Test]
    public async Task A_container_that_names_options_for_CRIU_is_not_dumped()
    {
        await GivenAsync(Quick, "small");
        _node.Containers.Single().Annotations = """{"org.criu.config": "/var/lib/it/criu.conf"}""";

        (await FluentActions.Awaiting(() => _node.CheckpointAsync(Quick, "app")).Should().ThrowAsync<RpcException>())
            .Which.Should().Match<RpcException>(
                e => AgentReasons.Of(e) == Reasons.PodNotMigratable && e.Status.Detail.Contains("org.criu.config"));
        _node.Dumps.Should().Be(0);
    }

    [TestCase(1_999u, false)]
    [TestCase(2_000u, true)]
    public async Task A_snapshot_that_may_outlast_a_liveness_probe_is_refused_before_kubelet_is_asked(
        uint allowed, bool taken)
    {
        _node.Run(Quick, "app");
        var request = new CheckpointRequest
        {
            PodNamespace = "default", PodName = "web",
            PodUid = Quick, ContainerName = "app", CheckpointId = AgentNode.Id,
            FreezeLimit = new FreezeLimit { SetBy = "livenessProbe of container \"app\"", Milliseconds = allowed },
        };

        var asking = FluentActions.Awaiting(
            () => _node.Client.CheckpointAsync(request, TimeSpan.FromMinutes(2), CancellationToken.None));

        if (taken)
        {
            await asking.Should().NotThrowAsync();
        }
        else
        {
            (await asking.Should().ThrowAsync<RpcException>()).Which.Should().Match<RpcException>(
                e => AgentReasons.Of(e) == Reasons.FreezeTooShort && !AgentReasons.IsTransient(e)
                    && e.Status.Detail.StartsWith(
                        "livenessProbe of container \"app\" lets it stand still for 2 s, and container app of pod web ")
                    && e.Status.Detail.Contains("raise failureThreshold or periodSeconds"));
        }

        _node.Dumps.Should().Be(taken ? 1 : 0);
    }

    [Test]
    public async Task A_pod_goes_on_while_its_volumes_are_stored_and_the_checkpoint_is_never_sealed()
    {
        await GivenAsync(Slow, "large");
        using (var sparse = File.Create(Path.Combine(_node.Volume(Slow, "large"), "sparse")))
        {
            sparse.SetLength(1L << 36);
        }

        _node.Dump = StopAndWriteAsync;
        var checkpoint = _node.CheckpointAsync(Slow, "app", ["app"], "large");
        using var tar = await TarOfAsync(Slow, checkpoint);
        try
        {
            Signal("STOP", tar);
            ProcessState.IsHeld(_node.Containers.Single().Process.Id).Should().BeTrue();

            await UnfenceAsync(Slow).WaitAsync(TimeSpan.FromSeconds(120));

            ProcessState.IsHeld(_node.Containers.Single().Process.Id).Should().BeFalse();
        }
        finally
        {
            tar.Kill();
        }

        await FluentActions.Awaiting(() => checkpoint).Should().ThrowAsync<RpcException>();
        await SealIsRefusedAsync(Slow, "large");
    }

    [Test]
    public async Task A_pod_goes_on_while_the_store_hangs_and_the_checkpoint_is_never_sealed()
    {
        await GivenAsync(Slow, "small");
        _node.Dump = StopAndWriteAsync;
        // Whoever opens a pipe for writing hangs until somebody reads it, as a mount does whose server is gone.
        var folder = Directory.CreateDirectory(Path.Combine(_node.StoreRoot, Slow, AgentNode.Id, "app")).FullName;
        var pipe = Path.Combine(folder, "dump.tar.zst.partial");
        using (var make = Process.Start("mkfifo", [pipe]))
        {
            await make.WaitForExitAsync();
        }

        var checkpoint = _node.CheckpointAsync(Slow, "app", ["app"]);
        var process = _node.Containers.Single().Process;
        await Wait.UntilAsync(() => ProcessState.IsHeld(process.Id));
        await UnfenceAsync(Slow).WaitAsync(TimeSpan.FromSeconds(120));

        ProcessState.IsHeld(process.Id).Should().BeFalse();
        Directory.GetFiles(_node.Archives).Should().BeEmpty("nobody will ask for the archive any more");
        using (File.OpenRead(pipe))
        {
            await FluentActions.Awaiting(() => checkpoint).Should().ThrowAsync<RpcException>();
        }

        await SealIsRefusedAsync(Slow);
    }

    [Test]
    public async Task Processes_beside_the_containers_first_are_stopped_and_continued_with_it()
    {
        // As a shell of kubectl exec is: in the container's namespaces, and no child of its.
        var first = Process.Start("unshare", ["--mount", "sleep", "1000"]);
        await Wait.UntilAsync(
            () => new FileInfo($"/proc/{first.Id}/ns/mnt").LinkTarget != new FileInfo("/proc/self/ns/mnt").LinkTarget);
        using var second = Process.Start("nsenter", ["--mount", $"--target={first.Id}", "sleep", "1000"]);
        try
        {
            await Wait.UntilAsync(
                () => new FileInfo($"/proc/{second.Id}/ns/mnt").LinkTarget
                    == new FileInfo($"/proc/{first.Id}/ns/mnt").LinkTarget);
            _node.Run(Quick, "app", first);
            await FenceAsync(Quick);
            _node.Dump = StopAndWriteAsync;

            (await _node.CheckpointAsync(Quick, "app")).LeftStopped.Should().BeTrue();

            ProcessState.IsHeld(second.Id).Should().BeTrue("it would write on, behind the checkpoint");
            await UnfenceAsync(Quick);
            ProcessState.IsHeld(second.Id).Should().BeFalse();
        }
        finally
        {
            second.Kill();
        }
    }

    [Test]
    public async Task A_checkpoint_that_no_migration_asks_for_waits_until_the_migration_has_ended()
    {
        await GivenAsync(Quick, "small");
        _node.Holder = "";

        (await FluentActions.Awaiting(() => _node.CheckpointAsync(Quick, "app")).Should().ThrowAsync<RpcException>())
            .Which.Should().Match<RpcException>(
                e => e.StatusCode == StatusCode.Unavailable && AgentReasons.Of(e) == Reasons.MigrationInProgress);
        _node.Dumps.Should().Be(0, "it would stop the pod");

        await UnfenceAsync(Quick);
        (await _node.CheckpointAsync(Quick, "app")).LeftStopped.Should().BeFalse();
    }

    [Test]
    public async Task What_a_failed_dump_left_on_the_node_goes_and_what_is_others_stays()
    {
        await GivenAsync(Quick, "small");
        var another = Path.Combine(_node.Archives, $"checkpoint-{Quick}_default-app-2026-01-01T00:00:00Z.tar");
        await File.WriteAllTextAsync(another, "an administrator's");
        _node.Dump = async path =>
        {
            await AgentNode.WriteAsync(path, new byte[512]);
            return null;
        };

        await FluentActions.Awaiting(() => _node.CheckpointAsync(Quick, "app")).Should().ThrowAsync<RpcException>();

        Directory.GetFiles(_node.Archives).Should().Equal(another);
    }

    [Test]
    public async Task What_could_not_be_stored_goes_with_its_checkpoint()
    {
        await GivenAsync(Quick, "small");
        // No checkpoint that a store would take.
        _node.Dump = async path =>
        {
            await AgentNode.WriteAsync(path, new byte[4096]);
            return path;
        };
        await FluentActions.Awaiting(() => _node.CheckpointAsync(Quick, "app")).Should().ThrowAsync<RpcException>();

        await DeleteAsync(new DeleteCheckpointRequest { PodUid = Quick, CheckpointId = AgentNode.Id });

        Directory.GetFiles(_node.Archives).Should().BeEmpty();
    }

    [Test]
    public async Task What_somebody_writes_is_not_deleted_and_may_be_later()
    {
        await GivenAsync(Quick, "small");
        await _node.CheckpointAsync(Quick, "app", ["app"], "small");
        var request = new DeleteCheckpointRequest { PodUid = Quick, CheckpointId = AgentNode.Id };

        using (StoreLock.Take(_node.StoreRoot, $"{Quick}/{AgentNode.Id}", exclusive: false))
        {
            (await FluentActions.Awaiting(() => DeleteAsync(request)).Should().ThrowAsync<RpcException>()).Which
                .Should().Match<RpcException>(
                e => e.StatusCode == StatusCode.Unavailable
                    && AgentReasons.Of(e) == Reasons.CheckpointInProgress
                    && AgentReasons.IsTransient(e)
                    && e.Status.Detail.Contains("somebody writes or removes it"));
            _node.Store.IsSealed(Quick, AgentNode.Id).Should().BeTrue();
        }

        (await DeleteAsync(request)).FreedBytes.Should().BePositive();
        Directory.Exists(Path.Combine(_node.StoreRoot, Quick)).Should().BeFalse();
    }

    private Task<DeleteCheckpointResponse> DeleteAsync(DeleteCheckpointRequest request) =>
        _node.Client.DeleteCheckpointAsync(request, Wait.Patience, CancellationToken.None);

    /// <summary>A fenced pod of one container, with something in a volume.</summary>
    private async Task GivenAsync(string podUid, string volume)
    {
        _node.Run(podUid, "app");
        await File.WriteAllTextAsync(Path.Combine(_node.Volume(podUid, volume), "file"), "content");
        await FenceAsync(podUid);
    }

    private Task FenceAsync(string podUid) => _node.Client.FenceAsync(
        new FenceRequest { PodUid = podUid, Holder = "m", TcpPolicy = "Close" }, Wait.Patience,
        CancellationToken.None);

    private Task UnfenceAsync(string podUid) => _node.Client.UnfenceAsync(
        new UnfenceRequest { PodUid = podUid, Holder = "m", Resume = true }, Wait.Patience,
        CancellationToken.None);

    /// <summary>As CRIU leaves a container that is fenced.</summary>
    private async Task<string?> StopAndWriteAsync(string path)
    {
        Signal("STOP", _node.Containers.Single().Process);
        await AgentNode.WriteAsync(path, await File.ReadAllBytesAsync(AgentNode.Archive));
        return path;
    }

    /// <summary>Not by its own agent, and not when the operator asks for it late.</summary>
    private async Task SealIsRefusedAsync(string podUid, params string[] volumes)
    {
        var request = new SealRequest { PodUid = podUid, CheckpointId = AgentNode.Id };
        request.ContainerNames.Add("app");
        request.VolumeNames.AddRange(volumes);
        (await FluentActions
            .Awaiting(() => _node.Client.SealAsync(request, Wait.Patience, CancellationToken.None))
            .Should().ThrowAsync<RpcException>()).Which.StatusCode.Should().Be(StatusCode.FailedPrecondition);
        _node.Store.IsSealed(podUid, AgentNode.Id).Should().BeFalse();
    }

    private static async Task<Process> TarOfAsync(string podUid, Task call)
    {
        while (true)
        {
            if (call.IsCompleted)
            {
                await call;
            }

            foreach (var process in Process.GetProcessesByName("tar"))
            {
                if (await CommandLineAsync(process.Id) is { } line && line.Contains(podUid, StringComparison.Ordinal))
                {
                    return process;
                }

                process.Dispose();
            }

            await Task.Delay(10);
        }
    }

    private static async Task<string?> CommandLineAsync(int pid)
    {
        try
        {
            return await File.ReadAllTextAsync($"/proc/{pid}/cmdline");
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static void Signal(string signal, Process process)
    {
        using var kill = Process.Start(
            "kill", [$"-{signal}", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
        kill.ExitCode.Should().Be(0);
    }
}
