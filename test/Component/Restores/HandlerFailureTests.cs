using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Restores;

/// <summary>What the restore handler does and says where it cannot restore, or not at the first attempt.</summary>
internal sealed class HandlerFailureTests
{
    private Handler _handler = null!;

    [SetUp]
    public void Prepare() => _handler = new Handler();

    [TearDown]
    public void Clean() => _handler.Dispose();

    [Test]
    public async Task Gives_up_when_the_agent_has()
    {
        _handler.GivenBundle();
        File.WriteAllText(Path.Combine(_handler.Staging("u1", "app"), "failed"), "digest \"x\" does not match\n");

        (await _handler.CreateAsync()).Code.Should().Be(1);

        _handler.ErrorLog.Should().Contain("could not be staged: digest x does not match");
    }

    [Test]
    public async Task Gives_up_when_the_pod_was_cancelled_before_it_asked()
    {
        _handler.GivenBundle();
        Directory.CreateDirectory(_handler.In("state/restores/u1"));
        File.WriteAllText(_handler.In("state/restores/u1/failed"), "asked to stop\n");

        (await _handler.CreateAsync()).Output.Should().Contain("could not be staged: asked to stop");
    }

    [Test]
    public async Task Gives_up_at_its_deadline()
    {
        _handler.Deadline = 2;
        _handler.GivenBundle();

        (await _handler.CreateAsync()).Output.Should().Contain("no checkpoint was staged within 2 s");
    }

    [Test]
    public async Task Says_that_it_gave_up_and_takes_what_is_staged_when_kubelet_tries_again()
    {
        _handler.Deadline = 2;
        _handler.GivenBundle();
        (await _handler.CreateAsync()).Code.Should().Be(1);
        var folder = _handler.Staging("u1", "app");
        new ContainerRestoreFolder(folder).State()
            .Should().Match<ContainerRestore>(s => s.Phase == "Failed" && s.Message.Contains("within 2 s"));

        _handler.Stage("u1", "app");
        new ContainerRestoreFolder(folder).State().Phase
            .Should().Be("Staged", "kubelet tries again only after a while");
        _handler.GivenBundle(restarts: 1);

        (await _handler.CreateAsync()).Should().Be((0, ""));
        new ContainerRestoreFolder(folder).State().Phase.Should().Be("Restored");
    }

    [Test]
    public async Task Says_so_when_it_refuses_a_restart_of_what_never_ran()
    {
        _handler.GivenBundle(restarts: 1);
        var folder = _handler.Stage("u1", "app");

        (await _handler.CreateAsync()).Code.Should().Be(1);

        new ContainerRestoreFolder(folder).State()
            .Should().Match<ContainerRestore>(s => s.Phase == "Failed" && s.Message.Contains("never restored"));
    }

    [TestCase("claimed", "c0")]
    [TestCase("waiting", "c0 of-another-boot")]
    public async Task Never_restores_what_an_earlier_life_may_have_restored(string file, string text)
    {
        _handler.GivenBundle(restarts: 1);
        var folder = _handler.Stage("u1", "app");
        File.WriteAllText(Path.Combine(folder, "waiting"), $"c0 {File.ReadAllText("/proc/sys/kernel/random/boot_id")}");
        File.WriteAllText(Path.Combine(folder, file), text + "\n");

        (await _handler.CreateAsync()).Code.Should().Be(1);

        _handler.Calls.Should().BeEmpty();
    }

    [Test]
    public async Task Says_so_when_what_it_restored_is_gone_before_its_start()
    {
        _handler.GivenBundle();
        var staging = _handler.Stage("u1", "app", others: "other");
        await _handler.CreateAsync();
        await _handler.RunAsync("start", "c1");
        var first = _handler.Pid;
        _handler.GivenBundle(name: "other");
        var other = _handler.Stage("u1", "other", others: "app");
        await _handler.CreateAsync("c2");
        Process.GetProcessById(first).Kill();
        // Whoever buries it.
        await Wait.UntilAsync(() => ProcessIdentity.Of(first) is null);

        (await _handler.RunAsync("start", "c2")).Output.Should().Contain("processes of container app are gone");

        new ContainerRestoreFolder(staging).State()
            .Should().Match<ContainerRestore>(s => s.Phase == "Failed" && s.Message.Contains("gone"));
        Handler.IsStopped(_handler.Pid).Should().BeTrue("a pod does not run in part");
        File.Exists(Path.Combine(other, "running")).Should().BeFalse();
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Restores_once_more_when_crun_could_not_take_its_mount_away(bool systemd)
    {
        _handler.GivenBundle(cgroup: systemd ? _handler.GivenSystemd() : "/pods/c1");
        var folder = _handler.Stage("u1", "app");
        File.WriteAllText(_handler.In("busy-root"), systemd ? "freezer/conmon/restore-c1" : "freezer/pods/c1");

        (await _handler.CreateAsync()).Code.Should().Be(0);

        _handler.Calls.Count(call => call.Contains(" restore ")).Should().Be(2);
        var first = int.Parse(File.ReadAllText(_handler.In("first")), null);
        File.Exists($"/proc/{first}/status").Should().BeFalse("no second copy stands there");
        File.ReadAllText(Path.Combine(folder, "pid")).Should().NotStartWith($"{first} ");
        File.Exists(Path.Combine(folder, "error")).Should().BeFalse();
        if (systemd)
        {
            File.ReadAllText(_handler.In("cgroups/freezer/kubepods.slice/crio-c1.scope/cgroup.procs")).Trim()
                .Should().Be($"{_handler.Pid}");
            File.ReadAllText(_handler.In("cgroups/freezer/conmon/cgroup.procs"))
                .Should().NotBeEmpty("the handler has left the other");
            _handler.Calls[1..3].Should().Equal(
                ["systemctl kill --signal=KILL -- crio-c1.scope", "systemctl stop -- crio-c1.scope"],
                "the second attempt asks for a unit of the same name, and a stop alone continues what stands still");
        }
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Leaves_nothing_of_what_it_could_not_restore(bool systemd)
    {
        _handler.GivenBundle(cgroup: systemd ? _handler.GivenSystemd() : "/pods/c1");
        var folder = _handler.Stage("u1", "app");
        File.WriteAllText(_handler.In("fails-late"), systemd ? "freezer/conmon/restore-c1" : "freezer/pods/c1");

        (await _handler.CreateAsync()).Code.Should().Be(1);

        var first = int.Parse(File.ReadAllText(_handler.In("first")), null);
        File.Exists($"/proc/{first}/status").Should().BeFalse("a stopped tree would stand there for ever");
        Directory.Exists(Path.Combine(_handler.Bundle, "criu-root")).Should().BeFalse();
        Directory.Exists(_handler.In("crun/c1")).Should().BeFalse();
        new ContainerRestoreFolder(folder).State()
            .Should().Match<ContainerRestore>(s => s.Phase == "Failed" && s.Message.Contains("no seccomp here"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Kills_what_an_old_crun_lets_run_at_once(bool systemd)
    {
        _handler.GivenBundle(cgroup: systemd ? _handler.GivenSystemd() : "/pods/c1");
        var folder = _handler.Stage("u1", "app");
        File.WriteAllText(_handler.In("runs"), systemd ? "freezer/conmon/restore-c1" : "freezer/pods/c1");

        (await _handler.CreateAsync()).Code.Should().Be(1);

        var first = int.Parse(File.ReadAllText(_handler.In("first")), null);
        File.Exists($"/proc/{first}/status").Should().BeFalse("the source may go on");
        Directory.Exists(_handler.In("crun/c1")).Should().BeFalse();
        new ContainerRestoreFolder(folder).State().Should().Match<ContainerRestore>(
            s => s.Phase == "Failed" && s.Message.Contains("crun 1.26 or newer, and libcriu 4.2 or newer"));
    }

    [Test]
    public async Task Says_why_when_it_fails_with_what_it_has_claimed()
    {
        _handler.GivenBundle();
        var folder = _handler.Stage("u1", "app");
        File.WriteAllText(Path.Combine(folder, "rootfs-diff.tar"), "no tar");

        (await _handler.CreateAsync()).Code.Should().Be(1);

        new ContainerRestoreFolder(folder).State().Should().Match<ContainerRestore>(
            s => s.Phase == "Failed" && s.Message.Contains("rootfs diff cannot be applied"),
            "the operator would wait until its time is up");
    }

    [Test]
    public async Task Begins_afresh_what_joins_the_pod_when_that_has_come_through()
    {
        _handler.Deadline = 2;
        _handler.GivenBundle();
        _handler.Stage("u1", "app");
        await _handler.CreateAsync();
        _handler.GivenBundle(name: "debugger-x7k2p");
        (await _handler.CreateAsync("c2")).Output
            .Should().Contain("no checkpoint was staged", "the pod may still come to nothing");
        await _handler.RunAsync("start", "c1");

        (await _handler.CreateAsync("c2")).Should().Be((0, ""));

        _handler.Calls[^1].Should().EndWith($"create --bundle {_handler.Bundle} --pid-file {_handler.In("pid")} c2");
    }

    [Test]
    public async Task Shows_what_it_restores_to_nobody_else()
    {
        _handler.Deadline = 2;
        _handler.GivenBundle();

        (await _handler.CreateAsync()).Output.Should().Contain("no checkpoint was staged");

        File.GetUnixFileMode(_handler.In("state/restores")).Should().Be(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    [Test]
    public async Task Says_that_crun_could_not_tell_the_state()
    {
        _handler.GivenBundle();
        _handler.Stage("u1", "app");
        await _handler.CreateAsync();
        _handler.BreakCrun();

        (await _handler.RunAsync("state", "c1")).Code.Should().Be(7);
    }

    [Test]
    public async Task Gives_up_when_the_bundle_goes()
    {
        _handler.GivenBundle();
        var create = _handler.CreateAsync();
        await Wait.UntilAsync(() => File.Exists(_handler.In("state/restores/u1/app/waiting")));
        File.Delete(Path.Combine(_handler.Bundle, "config.json"));

        (await create).Output.Should().Contain("the container is gone");
    }

    [Test]
    public async Task Says_what_CRIU_said()
    {
        _handler.GivenBundle();
        var staging = _handler.Stage("u1", "app");
        _handler.BreakCrun();
        File.WriteAllText(
            Path.Combine(staging, "restore.log"),
            "(00.0) Error (criu/util.c:1): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not "
                + "permitted\n(00.1) Error (criu/files.c:1): Can't open file /data\n");

        (await _handler.CreateAsync()).Code.Should().Be(1);

        File.ReadAllText(Path.Combine(staging, "error"))
            .Should().Contain("restore: (00.1) Error (criu/files.c:1): Can't open file /data");
    }

    [Test]
    public async Task Kills_what_it_cannot_place()
    {
        _handler.GivenBundle(cgroup: "../escape/..");
        _handler.Stage("u1", "app");

        (await _handler.CreateAsync()).Code.Should().Be(1);

        var commandLine = $"/proc/{_handler.Pid}/cmdline";
        (File.Exists(commandLine) ? File.ReadAllText(commandLine) : "").Should().BeEmpty("a dead process has none");
    }
}
