using System.Diagnostics;
using FluentAssertions;
using Grpc.Core;
using NUnit.Framework;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.V1;
using PodCheckpointing.TestKit;
using PodCheckpointing.Unit.Storage;

namespace PodCheckpointing.Unit.Agent;

/// <summary>Whether restored processes run is decided once: who asks for the opposite later is told so.</summary>
public sealed class RestoreVerdictTests : StoreFolder
{
    private const string Target = "0b0f9a3e-52f1-4a6e-8d8c-3f5a0e0b7f11";
    private RestoreRelease _release = null!;

    [SetUp]
    public void Stand_as_the_handler_leaves_it()
    {
        _release = StagingParts.Release(Store, Out);
        Directory.CreateDirectory(Folder("c"));
        File.WriteAllText(Folder("members"), "c\n");
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task What_was_withdrawn_in_time_never_runs(bool unlessRun)
    {
        await _release.ReleaseAsync(Target, CancellationToken.None);

        (await _release.CancelAsync(Target, "too late", unlessRun, CancellationToken.None)).Should().BeFalse();
        (await _release.CancelAsync(Target, "again", unlessRun, CancellationToken.None)).Should().BeFalse();

        new FileInfo(Folder("verdict")).LinkTarget.Should().Be("Cancelled");
        var release = () => _release.ReleaseAsync(Target, CancellationToken.None);
        (await release.Should().ThrowAsync<RpcException>()).Which.StatusCode.Should().Be(StatusCode.FailedPrecondition);
    }

    [Test]
    public async Task What_was_restored_and_never_ran_is_killed_so_that_no_hook_runs_beside_it()
    {
        using var process = Process.Start("sleep", "1000");
        File.WriteAllText(Folder("c/pid"), Identity(process));

        await _release.CancelAsync(Target, "not wanted", unlessRun: false, CancellationToken.None);

        process.WaitForExit(Wait.Patience).Should().BeTrue();
    }

    [Test]
    public async Task What_never_ran_is_killed_and_said_to_be_withdrawn_though_the_disk_is_full()
    {
        using var process = Process.Start("sleep", "1000");
        File.WriteAllText(Folder("c/pid"), Identity(process));
        File.WriteAllText(Folder("c/staged"), "");
        // Whoever writes it is told ENOSPC.
        File.CreateSymbolicLink(Folder("failed.partial"), "/dev/full");
        try
        {
            (await _release.CancelAsync(Target, "not wanted", unlessRun: false, CancellationToken.None))
                .Should().BeFalse();

            process.WaitForExit(Wait.Patience).Should().BeTrue();
            File.Exists(Folder("c/staged")).Should().BeFalse("that needs no room");
        }
        finally
        {
            process.Kill();
        }
    }

    [TestCase("go.partial")]
    [TestCase("c/running.partial")]
    public async Task Nothing_is_let_run_where_the_disk_has_no_room_to_say_so(string file)
    {
        using var process = Process.Start("sleep", "1000");
        try
        {
            File.WriteAllText(Folder("c/pid"), Identity(process));
            File.WriteAllText(Folder("c/started"), "");
            File.CreateSymbolicLink(Folder(file), "/dev/full");

            var release = () => _release.ReleaseAsync(Target, CancellationToken.None);

            AgentReasons.Of((await release.Should().ThrowAsync<RpcException>()).Which)
                .Should().Be(Reasons.NotEnoughSpace);
            (await _release.CancelAsync(Target, "not wanted", unlessRun: true, CancellationToken.None))
                .Should().BeFalse("nothing has run");
        }
        finally
        {
            process.Kill();
        }
    }

    [Test]
    public async Task No_address_is_let_go_before_all_containers_have_been_started()
    {
        var letGo = 0;
        var release = _release.ReleaseAsync(Target, () => Task.FromResult(letGo++), CancellationToken.None);
        await _release.CancelAsync(Target, "not wanted", unlessRun: true, CancellationToken.None);

        (await FluentActions.Awaiting(() => release).Should().ThrowAsync<RpcException>()).Which.StatusCode
            .Should().Be(StatusCode.FailedPrecondition);

        letGo.Should().Be(0, "what clients send would be answered for by who never runs");
    }

    [Test]
    public async Task An_address_is_let_go_when_the_last_container_has_been_started()
    {
        using var process = Process.Start("sleep", "1000");
        try
        {
            File.WriteAllText(Folder("c/pid"), Identity(process));
            var letGo = 0;
            var release = _release.ReleaseAsync(Target, () => Task.FromResult(letGo++), CancellationToken.None);
            letGo.Should().Be(0);

            File.WriteAllText(Folder("c/started"), "");
            await release;

            letGo.Should().Be(1);
            File.Exists(Folder("c/running")).Should().BeTrue();
        }
        finally
        {
            process.Kill();
        }
    }

    [Test]
    public async Task Who_waits_for_a_start_with_an_address_is_told_that_the_restore_has_failed()
    {
        File.WriteAllText(Folder("c/error"), "no room\n");

        var release = () => _release.ReleaseAsync(Target, () => Task.CompletedTask, CancellationToken.None);

        (await release.Should().ThrowAsync<RpcException>()).Which.Status.Should().Match<Status>(
            s => s.StatusCode == StatusCode.FailedPrecondition
                && s.Detail == "container c could not be restored: no room");
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task What_runs_is_not_withdrawn(bool unlessRun)
    {
        using var process = Process.Start("sleep", "1000");
        try
        {
            File.WriteAllText(Folder("c/pid"), Identity(process));
            File.WriteAllText(Folder("c/started"), "");
            await _release.ReleaseAsync(Target, CancellationToken.None);

            (await _release.CancelAsync(Target, "too late", unlessRun, CancellationToken.None)).Should().BeTrue();

            File.Exists(Folder("c/running")).Should().BeTrue();
            File.Exists(Folder("failed")).Should().Be(!unlessRun);
        }
        finally
        {
            process.Kill();
        }
    }

    [Test]
    public async Task A_release_that_was_cut_off_between_two_containers_is_finished()
    {
        using var first = Process.Start("sleep", "1000");
        using var second = Process.Start("sleep", "1000");
        try
        {
            Directory.CreateDirectory(Folder("d"));
            File.WriteAllText(Folder("members"), "c\nd\n");
            foreach (var (container, process) in new[] { ("c", first), ("d", second) })
            {
                File.WriteAllText(Folder($"{container}/pid"), Identity(process));
                File.WriteAllText(Folder($"{container}/started"), "");
            }

            using (var stop = Process.Start("kill", ["-STOP", $"{second.Id}"]))
            {
                stop.WaitForExit();
            }

            File.CreateSymbolicLink(Folder("verdict"), "Run");
            File.WriteAllText(Folder("c/running"), "1\n");

            await _release.ReleaseAsync(Target, CancellationToken.None);

            PodCheckpointing.Agent.Processes.ProcessState.IsHeld(second.Id).Should().BeFalse();
            File.Exists(Folder("d/running")).Should().BeTrue();
            File.ReadAllText(Folder("c/running")).Should().Be("1\n", "that one ran before");
        }
        finally
        {
            first.Kill();
            second.Kill();
        }
    }

    [TestCase("Run", true)]
    [TestCase("Cancelled", false)]
    public void The_handlers_word_that_it_runs_stands(string verdict, bool same)
    {
        // No link: the handler needs a process to make one.
        File.WriteAllText(Folder("verdict"), "");

        new PodRestoreFolder(Folder("")).Decide(verdict).Should().Be(same);
    }

    private static string Identity(Process process)
    {
        var stat = File.ReadAllText($"/proc/{process.Id}/stat");
        return $"{process.Id} {File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim()} "
            + $"{stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19]}\n";
    }

    private string Folder(string name) => Path.Combine(Out, "restores", Target, name);
}
