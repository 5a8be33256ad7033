using System.Diagnostics;
using FluentAssertions;
using Grpc.Core;
using NUnit.Framework;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Component.Store;

namespace PodCheckpointing.Component.Checkpoints;

/// <summary>What the agent finds out before anything is stopped: of real processes, files and sockets.</summary>
internal sealed class ExaminationTests
{
    private const string Pod = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

    /// <summary>Opens what its arguments name, and then stands still until its standard input ends.</summary>
    private const string Opener = """
        import ctypes, os, socket, sys
        libc = ctypes.CDLL(None, use_errno=True)
        kept = []
        for what in sys.argv[1:]:
            if what == "io_uring":
                kept.append(ctypes.create_string_buffer(120))
                assert libc.syscall(425, 8, kept[-1]) >= 0, ctypes.get_errno()
            elif what == "mptcp":
                kept.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262))
            elif what == "device":
                kept.append(open("/dev/fuse"))
            elif what == "deleted":
                kept.append(os.open("/tmp", os.O_TMPFILE | os.O_RDWR))
                os.write(kept[-1], bytes(3 << 20))
            elif what == "harmless":
                kept.append((socket.socket(), socket.socket(socket.AF_UNIX), os.eventfd(0), os.memfd_create("m"), open("/dev/urandom"), os.pipe()))
            elif what == "connected":
                server = socket.create_server(("127.0.0.1", 0))
                kept.append((server, socket.create_connection(server.getsockname()), server.accept()))
            elif what == "memory":
                kept.append(os.urandom(64 << 20))
            elif what == "traced":
                ready, tell = os.pipe()
                if os.fork() == 0:
                    libc.ptrace(0, 0, 0, 0)
                    os.write(tell, b".")
                    sys.stdin.read()
                    os._exit(0)
                os.read(ready, 1)
        print("ready", flush=True)
        sys.stdin.read()
        """;

    private AgentNode _node = null!;

    [SetUp]
    public async Task StartAsync() => _node = await AgentNode.StartAsync();

    [TearDown]
    public async Task StopAsync() => await _node.DisposeAsync();

    [Test]
    public async Task What_can_travel_is_weighed_and_nothing_is_said_against_it()
    {
        await RunAsync("app", "harmless", "memory", "connected");
        await RunAsync("proxy", "memory");
        await File.WriteAllBytesAsync(Path.Combine(_node.Volume(Pod, "scratch"), "file"), new byte[5 << 20]);
        await File.WriteAllBytesAsync(Path.Combine(_node.Volume(Pod, "other"), "file"), new byte[1 << 20]);

        var answer = await AskAsync("scratch", "other", "none");

        answer.Pod.Obstacles.Should().BeEmpty();
        answer.Pod.MemoryBytes.Should().BeInRange(128 << 20, 256 << 20);
        answer.Pod.VolumeBytes.Should().BeInRange(6 << 20, 7 << 20);
        answer.Pod.ConnectedSockets.Should().Be(2);
        answer.CpuFeatures.Should().NotBeEmpty();
        answer.CpuVendor.Should().NotBeEmpty();
        answer.ArchiveFreeBytes.Should().BePositive();
    }

    [Test]
    public async Task Of_the_volumes_in_memory_the_largest_is_told()
    {
        string[] names = ["small", "large", "tiny"];
        try
        {
            foreach (var (name, megabytes) in names.Zip([2, 3, 1]))
            {
                await StoragePeers.RunAsync("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", _node.Volume(Pod, name));
                await File.WriteAllBytesAsync(Path.Combine(_node.Volume(Pod, name), "file"), new byte[megabytes << 20]);
            }

            (await AskAsync(names)).Pod.LargestMemoryVolumeBytes.Should().Be(3 << 20);
        }
        finally
        {
            foreach (var name in names)
            {
                await StoragePeers.RunAsync("umount", _node.Volume(Pod, name));
            }
        }
    }

    [Test]
    public async Task A_container_of_another_runtime_is_named()
    {
        // The id of the container is its pod's uid and its name.
        await RunAsync("app", "harmless");
        var state = Directory.CreateDirectory(Path.Combine(_node.NodeRoot, "run/runc", Pod, "app"));
        await File.WriteAllTextAsync(Path.Combine(state.FullName, "state.json"), "{}");

        (await AskAsync()).Pod.Obstacles.Should().Equal(
            "container app was made by runc, and a dump leaves only those of crun stopped; make crun the node's "
                + "default runtime, and create the pod anew");
    }

    [TestCase("1", true)]
    [TestCase("0\n", false)]
    public async Task A_node_whose_SELinux_is_enforcing_can_neither_give_nor_take_pods(string enforce, bool told)
    {
        var selinux = Directory.CreateDirectory(Path.Combine(_node.NodeRoot, "sys/fs/selinux"));
        await File.WriteAllTextAsync(Path.Combine(selinux.FullName, "enforce"), enforce);

        var message = (await AskAsync()).RuntimeMessage;

        (message.Contains("SELinux is enforcing", StringComparison.Ordinal)
            && message.Contains("setenforce 0", StringComparison.Ordinal)).Should().Be(told);
    }

    [TestCase(false, null, false)]
    [TestCase(true, null, false)]
    [TestCase(true, "0e3f4a52-5a57-4f2e-8d0c-000000000000\n", false)]
    [TestCase(false, "now", false)]
    [TestCase(true, "before the runtime", false)]
    [TestCase(true, "now", true)]
    public async Task The_fence_hook_counts_where_the_runtime_has_run_it_since_the_node_booted_and_it_was_started(
        bool installed, string? stamp, bool there)
    {
        if (installed)
        {
            _node.InstallHook();
        }

        Directory.CreateDirectory(Path.GetDirectoryName(_node.HookStamp)!);
        if (stamp is not null)
        {
            await File.WriteAllTextAsync(
                _node.HookStamp,
                stamp[0] == '0' ? stamp : await File.ReadAllTextAsync("/proc/sys/kernel/random/boot_id"));
            var socket = new FileInfo(
                Path.Combine(Path.GetDirectoryName(_node.HookStamp)!, "runtime-socket")).ResolveLinkTarget(true)!;
            File.SetLastWriteTimeUtc(
                _node.HookStamp, socket.LastWriteTimeUtc.AddSeconds(stamp == "before the runtime" ? -1 : 0));
        }

        (await AskAsync()).FenceHook.Should().Be(there);
    }

    [TestCase("io_uring", "uses io_uring")]
    [TestCase("mptcp", "has a Multipath TCP socket")]
    [TestCase("device", "has the device /dev/fuse open (character 10:229)")]
    [TestCase("deleted", "of 3145728 bytes open, and CRIU takes deleted files along up to 1048576")]
    [TestCase("traced", "is traced by process")]
    public async Task What_CRIU_cannot_dump_is_named_with_its_process(string what, string message)
    {
        var process = await RunAsync("app", what);

        var obstacle = (await AskAsync()).Pod.Obstacles.Should().ContainSingle().Which;

        obstacle.Should().Contain(message).And.MatchRegex($@"^process \d+ \(python3[.\d]*\) of container app ");
        if (what != "traced")
        {
            obstacle.Should().StartWith($"process {process.Id} ");
        }
    }

    [Test]
    public async Task All_of_it_is_named_at_once()
    {
        await RunAsync("app", "io_uring", "mptcp", "device");
        await RunAsync("proxy", "io_uring", "io_uring");

        (await AskAsync()).Pod.Obstacles.Should().HaveCount(4);
    }

    [Test]
    public async Task A_pod_that_is_not_here_weighs_nothing() =>
        (await AskAsync()).Pod.Should().Be(new PodExamination());

    [Test]
    public async Task A_mark_on_the_volume_is_found_by_whoever_sees_that_volume()
    {
        var left = await _node.Client.GetCapabilitiesAsync(
            new GetCapabilitiesRequest { LeaveMark = true }, null, CancellationToken.None);
        left.Pod.Should().BeNull();
        (await FindAsync(left.StoreMark)).MarkFound.Should().BeTrue();

        foreach (var file in Directory.GetFiles(_node.StoreRoot, ".mark-*"))
        {
            File.Delete(file);
        }

        (await FindAsync(left.StoreMark)).MarkFound.Should().BeFalse();
        (await FluentActions.Awaiting(() => FindAsync("../x")).Should().ThrowAsync<RpcException>()).Which.StatusCode
            .Should().Be(StatusCode.InvalidArgument);
    }

    [Test]
    public async Task A_volume_that_is_gone_is_an_error_with_its_name()
    {
        Directory.Delete(_node.StoreRoot, recursive: true);

        var error = (await FluentActions.Awaiting(() => AskAsync()).Should().ThrowAsync<RpcException>()).Which;

        AgentReasons.Of(error).Should().Be(Reasons.StoreUnavailable);
        error.Status.Detail.Should().Contain(_node.StoreRoot);
    }

    private Task<GetCapabilitiesResponse> FindAsync(string mark) =>
        _node.Client.GetCapabilitiesAsync(new GetCapabilitiesRequest { FindMark = mark }, null, CancellationToken.None);

    private Task<GetCapabilitiesResponse> AskAsync(params string[] volumes)
    {
        var request = new GetCapabilitiesRequest { PodUid = Pod };
        request.VolumeNames.AddRange(volumes);
        return _node.Client.GetCapabilitiesAsync(request, null, CancellationToken.None);
    }

    private async Task<Process> RunAsync(string container, params string[] what)
    {
        var process = Process.Start(new ProcessStartInfo("/usr/bin/python3", ["-c", Opener, .. what])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        _node.Run(Pod, container, process);
        (await process.StandardOutput.ReadLineAsync()).Should().Be("ready", "else it has failed");
        return process;
    }
}
