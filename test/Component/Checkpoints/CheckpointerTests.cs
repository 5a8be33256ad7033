using System.Diagnostics;
using FluentAssertions;
using Grpc.Core;
using NUnit.Framework;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;

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
            .Which.Should().Match<RpcException>(e => e.StatusCode == StatusCode.Unavailable && AgentReasons.Of(e) == Reasons.StoreUnavailable);
        _node.Store.IsSealed(Slow, AgentNode.Id).Should().BeFalse();
    }

    [Test]
    public async Task Two_containers_that_are_stored_at_once_are_sealed_together_with_the_pods_volumes()
    {
        await GivenAsync(Quick, "small");
        _node.Run(Quick, "other");

        await Task.WhenAll(
            _node.CheckpointAsync(Quick, "app", ["app", "other"], "small"), _node.CheckpointAsync(Quick, "other", ["app", "other"], "small"));

        _node.Store.FindSealed(Quick, AgentNode.Id).Select(m => m.Container).Should().Equal(".volumes/small", "app", "other");
        _node.Dumps.Should().Be(2);
    }

    [TestCase("STOP", true)]
    [TestCase("CONT", false)]
    public async Task A_process_stands_still_when_a_busy_machine_has_let_it_see_the_signal(string signal, bool stopped)
    {
        await GivenAsync(Quick, "small");
        _node.Dump = async path =>
        {
            await AgentNode.WriteAsync(path, await File.ReadAllBytesAsync(AgentNode.Archive));
            _ = Task.Delay(300).ContinueWith(_ => Signal(signal, _node.Containers.Single().Process), TaskScheduler.Default);
            return path;
        };

        (await _node.CheckpointAsync(Quick, "app")).LeftStopped.Should().Be(stopped);
    }

    [Test]
    public async Task A_container_that_names_options_for_CRIU_is_not_dumped()
    {
        await GivenAsync(Quick, "small");
        _node.Containers.Single().Annotations = """{"org.criu.config": "/var/lib/it/criu.conf"}""";

        (await FluentActions.Awaiting(() => _node.CheckpointAsync(Quick, "app")).Should().ThrowAsync<RpcException>())
            .Which.Should().Match<RpcException>(e => AgentReasons.Of(e) == Reasons.PodNotMigratable && e.Status.Detail.Contains("org.criu.config"));
        _node.Dumps.Should().Be(0);
    }

    [Test]
    public async Task A_checkpoint_that_no_migration_asks_for_waits_until_the_migration_has_ended()
    {
        await GivenAsync(Quick, "small");
        _node.Holder = "";

        (await FluentActions.Awaiting(() => _node.CheckpointAsync(Quick, "app")).Should().ThrowAsync<RpcException>())
            .Which.Should().Match<RpcException>(e => e.StatusCode == StatusCode.Unavailable && AgentReasons.Of(e) == Reasons.MigrationInProgress);
        _node.Dumps.Should().Be(0, "it would stop the pod");

        await _node.Client.UnfenceAsync(
            new UnfenceRequest { PodUid = Quick, Holder = "m", Resume = true }, TimeSpan.FromSeconds(30), CancellationToken.None);
        (await _node.CheckpointAsync(Quick, "app")).LeftStopped.Should().BeFalse();
    }

    [Test]
    public async Task What_somebody_writes_is_not_deleted_and_may_be_later()
    {
        await GivenAsync(Quick, "small");
        await _node.CheckpointAsync(Quick, "app", ["app"], "small");
        var request = new DeleteCheckpointRequest { PodUid = Quick, CheckpointId = AgentNode.Id };

        using (StoreLock.Take(_node.StoreRoot, $"{Quick}/{AgentNode.Id}", exclusive: false))
        {
            (await FluentActions.Awaiting(() => DeleteAsync(request)).Should().ThrowAsync<RpcException>()).Which.Should().Match<RpcException>(
                e => e.StatusCode == StatusCode.Unavailable && AgentReasons.Of(e) == Reasons.StoreUnavailable && AgentReasons.IsTransient(e));
            _node.Store.IsSealed(Quick, AgentNode.Id).Should().BeTrue();
        }

        (await DeleteAsync(request)).FreedBytes.Should().BePositive();
        Directory.Exists(Path.Combine(_node.StoreRoot, Quick)).Should().BeFalse();
    }

    private Task<DeleteCheckpointResponse> DeleteAsync(DeleteCheckpointRequest request) =>
        _node.Client.DeleteCheckpointAsync(request, TimeSpan.FromSeconds(30), CancellationToken.None);

    /// <summary>A fenced pod of one container, with something in a volume.</summary>
    private async Task GivenAsync(string podUid, string volume)
    {
        _node.Run(podUid, "app");
        await File.WriteAllTextAsync(Path.Combine(_node.Volume(podUid, volume), "file"), "content");
        await _node.Client.FenceAsync(
            new FenceRequest { PodUid = podUid, Holder = _node.Holder, TcpPolicy = "Close" }, TimeSpan.FromSeconds(30), CancellationToken.None);
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
        using var kill = Process.Start("kill", [$"-{signal}", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
        kill.ExitCode.Should().Be(0);
    }
}
