using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Capabilities;
using PodCheckpointing.Agent.Processes;

namespace PodCheckpointing.Unit.Agent;

/// <summary>What is said of a process' memory, files and sockets.</summary>
public sealed class PodExaminerTests
{
    [Test]
    public void Memory_is_what_no_file_holds()
    {
        string[] rollup =
        [
            "55b28dc77000-7ffeb7035000 ---p 00000000 00:00 0                          [rollup]",
            "Rss:                2032 kB",
            "Pss_Anon:            144 kB", "Pss_File:            383 kB", "Pss_Shmem:            16 kB",
            "Swap:                  9 kB", "SwapPss:               8 kB",
        ];
        ProcessMemory.In(rollup).Should().Be((144 + 16 + 8) * 1024);
        ProcessMemory.In([]).Should().Be(0, "it has ended");
    }

    [TestCase("", 1 << 20)]
    [TestCase("manage-cgroups=ignore\n# ghost-limit 5M", 1 << 20)]
    [TestCase("ghost-limit 300M", 300L << 20)]
    [TestCase("tcp-close\nghost-limit=2g # large", 2L << 30)]
    [TestCase("ghost-limit 4096", 4096)]
    [TestCase("ghost-limit much", 1 << 20)]
    public void The_limit_to_deleted_files_is_that_of_the_nodes_CRIU(string configuration, long limit) =>
        PodExaminer.GhostLimitIn(configuration.Split('\n')).Should().Be(limit);

    [TestCase("eventfd", null)]
    [TestCase("pidfd", null)]
    [TestCase("bpf-map", null)]
    [TestCase("io_uring", "UV_USE_IO_URING=0")]
    [TestCase("perf_event", "has a perf_event open")]
    [TestCase("kvm-vcpu:0", "has a kvm-vcpu:0 open")]
    public void Anonymous_inodes_of_unknown_kinds_are_refused(string kind, string? message) =>
        Says(OpenFiles.OfAnonymous(kind), message);

    [TestCase("/dev/null", false, 1u, 3u, null)]
    [TestCase("/dev/mem", false, 1u, 1u, "character 1:1")]
    [TestCase("/dev/pts/0", false, 136u, 0u, null)]
    [TestCase("/dev/net/tun", false, 10u, 200u, null)]
    [TestCase("/dev/fuse", false, 10u, 229u, "has the device /dev/fuse open")]
    [TestCase("/dev/nvidia0", false, 195u, 0u, "has the device /dev/nvidia0 open")]
    [TestCase("/dev/sda", true, 8u, 0u, "block 8:0")]
    public void Devices_of_the_node_are_refused(string path, bool isBlock, uint major, uint minor, string? message) =>
        Says(OpenFiles.OfDevice(path, isBlock, major, minor), message);

    [TestCase(2, 1, 6, null)]
    [TestCase(10, 2, 17, null)]
    [TestCase(2, 3, 89, null)]
    [TestCase(1, 1, 0, null)]
    [TestCase(16, 3, 0, null)]
    [TestCase(10, 1, 262, "GODEBUG=multipathtcp=0")]
    [TestCase(2, 1, 132, "IP protocol 132")]
    [TestCase(40, 1, 0, "address family 40")]
    public void Sockets_of_unknown_kinds_are_refused(int domain, int type, int protocol, string? message) =>
        Says(ForeignSockets.Of(domain, type, protocol), message);

    private static void Says((string Kind, string Message)? found, string? message)
    {
        if (message is null)
        {
            found.Should().BeNull();
        }
        else
        {
            found!.Value.Message.Should().Contain(message);
        }
    }
}
