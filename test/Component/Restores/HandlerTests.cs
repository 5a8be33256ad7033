using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Restores;

/// <summary>What the restore handler makes of a runtime's calls; that real processes come
/// back is seen on the bench.</summary>
internal sealed class HandlerTests
{
    private Handler _handler = null!;

    [SetUp]
    public void Prepare() => _handler = new Handler();

    [TearDown]
    public void Clean() => _handler.Dispose();

    [TestCase(true, TestName = "Restores_under_CRI_O_whose_bundles_have_many_lines")]
    [TestCase(false, TestName = "Restores_under_containerd_whose_bundles_have_one")]
    public async Task Restores(bool crio)
    {
        GivenBundle(crio);
        var staging = _handler.Stage("u1", "app");

        (await _handler.CreateAsync()).Should().Be((0, ""));

        _handler.Calls.Should().Equal(
            $"--root {_handler.In("crun")} --log {_handler.In("log.json")} --log-format json --systemd-cgroup "
            + "restore --detach --file-locks "
            + $"--image-path {staging}/checkpoint --work-path {staging} --bundle {_handler.Bundle} --pid-file "
            + $"{_handler.In("pid")} c1");
        File.ReadAllText(_handler.In("seen.json")).Should().Contain($"\"org.criu.config\":\"{staging}/criu.conf\"");
        File.GetLastWriteTimeUtc(Path.Combine(staging, "restored"))
            .Should().BeOnOrAfter(File.GetLastWriteTimeUtc(Path.Combine(staging, "begun")));
        File.Exists(Path.Combine(staging, "restored")).Should().BeTrue();
        foreach (var hierarchy in new[] { "freezer", "pids" })
        {
            File.ReadAllText(_handler.In($"cgroups/{hierarchy}/pods/c1/cgroup.procs")).Trim()
                .Should().Be("0", "crun was called from within");
        }
    }

    [Test]
    public async Task Leaves_no_CRIU_options_for_later_dumps_of_the_container()
    {
        GivenBundle(crio: true);
        _handler.Stage("u1", "app");

        (await _handler.CreateAsync()).Should().Be((0, ""));
        (await _handler.RunAsync("--root", _handler.In("crun"), "start", "c1")).Should().Be((0, ""));

        foreach (var kept in new[] { Path.Combine(_handler.Bundle, "config.json"), _handler.In("crun/c1/config.json") })
        {
            File.ReadAllText(kept)
                .Should().NotContain("\"org.criu.config\"", "crun would stop the container at its next checkpoint")
                .And.Be(File.ReadAllText(_handler.In("seen.json")).Replace(
                    "org.criu.config", "org.criu.config.restored", StringComparison.Ordinal));
        }
    }

    [Test]
    public async Task Runs_nothing_before_start()
    {
        GivenBundle();
        var staging = _handler.Stage("u1", "app");
        await _handler.CreateAsync();

        (await _handler.RunAsync("state", "c1")).Output.Should().Contain("\"created\"");
        Stopped().Should().BeTrue();

        (await _handler.RunAsync("start", "c1")).Code.Should().Be(0);

        Stopped().Should().BeFalse();
        (await _handler.RunAsync("state", "c1")).Output.Should().Contain("\"running\"");
        new ContainerRestoreFolder(staging).Pod.Decide(PodRestoreFolder.Cancelled).Should().BeFalse("it has run");
        File.ReadAllText(Path.Combine(staging, "running")).Trim().Should().MatchRegex("^[0-9]{19}$");
        _handler.Calls.Should().NotContain(call => call.StartsWith("start"));
    }

    [Test]
    public async Task Runs_nothing_without_leave()
    {
        GivenBundle();
        var staging = _handler.Stage("u1", "app", go: false);
        await _handler.CreateAsync();

        (await _handler.RunAsync("start", "c1")).Code.Should().Be(0);

        Stopped().Should().BeTrue();
        (await _handler.RunAsync("state", "c1")).Output.Should().Contain("\"running\"", "the runtime has started it");
        File.Exists(Path.Combine(staging, "running")).Should().BeFalse();
    }

    [Test]
    public async Task Runs_no_container_before_the_last_is_started()
    {
        GivenBundle();
        var staging = _handler.Stage("u1", "app", others: "other");
        await _handler.CreateAsync();
        await _handler.RunAsync("start", "c1");
        Stopped().Should().BeTrue();

        GivenBundle(name: "other");
        var other = _handler.Stage("u1", "other", others: "app");
        var first = _handler.Pid;
        await _handler.CreateAsync("c2");
        (await _handler.RunAsync("start", "c2")).Code.Should().Be(0);

        Stopped().Should().BeFalse();
        Handler.IsStopped(first).Should().BeFalse();
        foreach (var folder in new[] { staging, other })
        {
            File.Exists(Path.Combine(folder, "running")).Should().BeTrue();
        }

        Process.GetProcessById(first).Kill();
    }

    [Test]
    public async Task Starts_nothing_that_was_cancelled()
    {
        GivenBundle();
        var staging = _handler.Stage("u1", "app");
        await _handler.CreateAsync();
        File.WriteAllText(Path.Combine(staging, "../failed"), "asked to stop\n");

        (await _handler.RunAsync("start", "c1")).Output.Should().Contain("cancelled: asked to stop");

        Stopped().Should().BeTrue();
    }

    [TestCase("Cancelled", true)]
    [TestCase("Run", false)]
    public async Task Runs_only_what_was_not_cancelled_first(string verdict, bool stopped)
    {
        GivenBundle();
        var staging = _handler.Stage("u1", "app");
        await _handler.CreateAsync();
        File.CreateSymbolicLink(Path.Combine(staging, "../verdict"), verdict);

        (await _handler.RunAsync("start", "c1")).Code.Should().Be(stopped ? 1 : 0);

        Stopped().Should().Be(stopped);
        File.Exists(Path.Combine(staging, "running")).Should().Be(!stopped);
    }

    [Test]
    public async Task Says_that_it_waits()
    {
        GivenBundle();
        var create = _handler.CreateAsync();
        var waiting = _handler.In("state/restores/u1/app/waiting");
        await Wait.UntilAsync(() => File.Exists(waiting));
        _handler.Stage("u1", "app");

        (await create).Should().Be((0, ""));
    }

    [Test]
    public async Task Wakes_at_a_line_of_the_agent()
    {
        GivenBundle();
        var create = _handler.CreateAsync();
        var folder = _handler.In("state/restores/u1/app");
        await Wait.UntilAsync(() => File.Exists(Path.Combine(folder, "waiting")));

        // Nobody is left who would wake it by the clock.
        var handler = Process.GetProcesses().Single(p => Open(p.Id, Path.Combine(folder, "wake"))
            && Parent(p.Id) == Environment.ProcessId).Id;
        // It asks for the time, too, and somebody stands by to start a daemon.
        var clock = await Wait.UntilAsync(
            () => Task.FromResult(Children(handler).FirstOrDefault(child => Children(child).Length > 0)),
            child => child != 0);
        Process.GetProcessById(clock).Kill();
        _handler.Stage("u1", "app");
        new ContainerRestoreFolder(folder).Wake();

        (await create.WaitAsync(Wait.Patience)).Code.Should().Be(0);
    }

    [Test]
    public async Task Restores_once()
    {
        GivenBundle();
        _handler.Stage("u1", "app");
        await _handler.CreateAsync();

        var again = await _handler.CreateAsync("c2");

        again.Code.Should().Be(1);
        again.Output.Should().Contain("restored before");
    }

    [Test]
    public async Task Starts_afresh_after_it_ran()
    {
        GivenBundle(restarts: 1);
        File.WriteAllText(Path.Combine(_handler.Stage("u1", "app"), "running"), "1\n");

        await _handler.CreateAsync();

        _handler.Calls.Should().ContainSingle().Which.Should().Contain(" create ");
    }

    [Test]
    public async Task Never_starts_without_its_memory()
    {
        GivenBundle(restarts: 1);
        _handler.Stage("u1", "app");

        (await _handler.CreateAsync()).Code.Should().Be(1);

        _handler.Calls.Should().BeEmpty();
        _handler.ErrorLog.Should().Contain("\"level\":\"error\"").And.Contain("never restored");
    }

    [TestCase("shared://u0/c0/app/dump.tar.zst", " restore ")]
    [TestCase("shared://u0/c0/other/dump.tar.zst", " create ")]
    [TestCase("", " create ")]
    public async Task Leaves_alone_what_the_pod_does_not_mean(string artifact, string call)
    {
        GivenBundle(artifact: artifact);
        _handler.Stage("u1", "app");

        await _handler.CreateAsync();

        _handler.Calls.Should().ContainSingle().Which.Should().Contain(call);
    }

    [Test]
    public async Task Never_restores_a_sandbox()
    {
        GivenBundle(type: "sandbox");

        await _handler.CreateAsync();

        _handler.Calls.Should().ContainSingle().Which.Should().Contain(" create ");
    }

    [Test]
    public async Task Believes_crun_about_the_cgroup()
    {
        GivenBundle(cgroup: "kubepods.slice:crio:c1");
        _handler.Stage("u1", "app");
        File.WriteAllText(_handler.In("crun/c1/status"), """{ "cgroup-path": "\/kubepods.slice\/crio-c1.scope" }""");

        (await _handler.CreateAsync()).Should().Be((0, ""));

        File.Exists(_handler.In("cgroups/pids/kubepods.slice/crio-c1.scope/cgroup.procs")).Should().BeTrue();
    }

    [Test]
    public async Task A_pod_under_CRI_O_cannot_pass_for_another_or_bring_its_own_CRIU_options()
    {
        GivenBundle(
            crio: true,
            more: ["\"io.kubernetes.cri.sandbox-uid\": \"u2\"", "\"org.criu.config\": \"/tmp/mine\"", "\"cgroupsPath\": \"/mine\"",
            "\"note\": \"{\\\"io.kubernetes.pod.uid\\\": \\\"u2\\\"}\\n\""]);
        _handler.Stage("u1", "app");
        _handler.Stage("u2", "app");

        (await _handler.CreateAsync()).Should().Be((0, ""));

        _handler.Calls.Should().ContainSingle().Which.Should().Contain("/u1/app");
        File.ReadAllText(_handler.In("seen.json")).Should().NotContain("\"org.criu.config\": \"/tmp/mine\"");
        Directory.Exists(_handler.In("cgroups/pids/mine")).Should().BeFalse();
    }

    [TestCase("u/../u2", "app")]
    [TestCase("", "app")]
    [TestCase("u1", "..")]
    public async Task Takes_no_path_for_a_name(string uid, string name)
    {
        GivenBundle(uid: uid, name: name);

        (await _handler.CreateAsync()).Code.Should().Be(1);

        _handler.Calls.Should().BeEmpty();
    }

    [Test]
    public async Task Refuses_another_image_under_CRI_O()
    {
        GivenBundle(crio: true, more: [$"\"io.kubernetes.cri-o.ImageRef\": \"{new string('a', 64)}\""]);
        File.WriteAllText(Path.Combine(_handler.Stage("u1", "app"), "image"), new string('b', 64) + "\n");

        (await _handler.CreateAsync()).Output.Should().Contain("over image bbbb");
    }

    [Test]
    public async Task Whatever_else_is_crun_s()
    {
        await _handler.RunAsync("--root", "/r", "exec", "--process", "p", "c1", "create");
        await _handler.RunAsync("delete", "--force", "c9");
        await _handler.RunAsync("features");

        _handler.Calls.Should().Equal("--root /r exec --process p c1 create", "delete --force c9", "features");
    }

    private static bool Open(int pid, string path)
    {
        try
        {
            return Directory.GetFiles($"/proc/{pid}/fd").Any(d => new FileInfo(d).LinkTarget == path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It has gone meanwhile.
            return false;
        }
    }

    private static int Parent(int pid)
    {
        var stat = File.ReadAllText($"/proc/{pid}/stat");
        return int.Parse(stat[(stat.LastIndexOf(')') + 4)..].Split(' ')[0], null);
    }

    private static int[] Children(int pid)
    {
        try
        {
            return [.. File.ReadAllText($"/proc/{pid}/task/{pid}/children")
                .Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Select(int.Parse)];
        }
        catch (IOException)
        {
            return [];
        }
    }

    private bool Stopped() => Handler.IsStopped(_handler.Pid);

    private void GivenBundle(
        bool crio = false, string uid = "u1", string name = "app", string type = "container", int restarts = 0,
        string artifact = "shared://u0/c0", string cgroup = "/pods/c1", params string[] more) =>
        _handler.GivenBundle(crio, uid, name, type, restarts, artifact, cgroup, more);
}
