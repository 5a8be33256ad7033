using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Generate;

namespace PodCheckpointing.Component.Fences;

/// <summary>The fence hook, called as crun calls it: the container's state on stdin.</summary>
internal sealed class FenceHookTests
{
    private const string Pod = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    private const string State =
        $$$"""{"ociVersion":"1.0","id":"c1","annotations":{"io.kubernetes.pod.uid":"{{{Pod}}}"}}""";
    private static readonly string Boot = File.ReadAllText("/proc/sys/kernel/random/boot_id");
    private string _folder = null!;

    [SetUp]
    public void Make() => _folder = Directory.CreateTempSubdirectory("pod-checkpointing-hook").FullName;

    [TearDown]
    public void Remove() => Directory.Delete(_folder, recursive: true);

    private string Stamp => Path.Combine(_folder, "fence-hook-ran");

    [TestCase(null, "io.kubernetes.pod.uid")]
    [TestCase("", "io.kubernetes.pod.uid")]
    [TestCase("0e3f4a52-5a57-4f2e-8d0c-000000000000\n", "io.kubernetes.cri.sandbox-uid")]
    public async Task It_leaves_the_boot_that_it_ran_in(string? before, string annotation)
    {
        if (before is not null)
        {
            await File.WriteAllTextAsync(Stamp, before);
        }

        (await RunAsync(state: State.Replace("io.kubernetes.pod.uid", annotation, StringComparison.Ordinal)))
            .Should().Be((0, ""));

        File.ReadAllText(Stamp).Should().Be(Boot);
    }

    // podman and buildah run as root on a node, which say so by names of CRI-O's.
    [TestCase("""{"ociVersion":"1.0","id":"c1"}""")]
    [TestCase(
        """{"ociVersion":"1.0","id":"c1","annotations":{"io.container.manager":"libpod","io.kubernetes.cri-o.ContainerType":"container"}}""")]
    [TestCase("")]
    public async Task A_container_of_no_pod_proves_nothing_about_the_nodes_runtime(string state)
    {
        (await RunAsync(state: state)).Should().Be((0, ""));

        File.Exists(Stamp).Should().BeFalse();
    }

    [Test]
    public async Task A_stamp_of_this_boot_is_not_written_again()
    {
        await File.WriteAllTextAsync(Stamp, Boot);
        var old = DateTime.UnixEpoch.AddYears(50);
        File.SetLastWriteTimeUtc(Stamp, old);

        await RunAsync();

        File.GetLastWriteTimeUtc(Stamp).Should().Be(old);
    }

    [TestCase(-1, false)]
    [TestCase(1, true)]
    public async Task A_stamp_that_is_older_than_the_runtimes_socket_is_left_again(int secondsLater, bool again)
    {
        await File.WriteAllTextAsync(Stamp, Boot);
        var old = DateTime.UnixEpoch.AddYears(50);
        File.SetLastWriteTimeUtc(Stamp, old);
        var socket = Path.Combine(_folder, "crio.sock");
        await File.WriteAllTextAsync(socket, "");
        File.SetLastWriteTimeUtc(socket, old.AddSeconds(secondsLater));
        File.CreateSymbolicLink(Path.Combine(_folder, "runtime-socket"), socket);

        (await RunAsync()).Should().Be((0, ""));

        (File.GetLastWriteTimeUtc(Stamp) != old).Should().Be(again);
        File.ReadAllText(Stamp).Should().Be(Boot);
    }

    [Test]
    public async Task It_takes_no_other_program_for_a_node_that_has_no_fence()
    {
        await File.WriteAllTextAsync(Stamp, Boot);

        (await RunAsync(path: "/nowhere")).Should().Be((0, ""));
    }

    [Test]
    public async Task A_container_of_a_fenced_pod_is_refused_and_the_stamp_is_left_all_the_same()
    {
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(_folder, "fences")).FullName, Pod), "{}");

        var (code, said) = await RunAsync();

        code.Should().Be(1);
        said.Should().Contain($"pod {Pod} is fenced on this node");
        File.ReadAllText(Stamp).Should().Be(Boot);
    }

    [Test]
    public async Task No_container_is_refused_because_the_stamp_cannot_be_left()
    {
        Directory.CreateDirectory(Stamp);
        (await RunAsync()).Should().Be((0, ""));

        Directory.Delete(_folder, recursive: true);
        (await RunAsync()).Should().Be((0, ""));
        Directory.Exists(_folder).Should().BeFalse();
        Directory.CreateDirectory(_folder);
    }

    private async Task<(int Code, string Said)> RunAsync(string? path = null, string state = State)
    {
        var start = new ProcessStartInfo(
            "/bin/sh", [Path.Combine(Repository.Root(AppContext.BaseDirectory), "agent/Fences/Hook/checkpoint-fence")])
        {
            RedirectStandardInput = true, RedirectStandardError = true,
        };
        start.Environment["POD_CHECKPOINTING_FENCES"] = Path.Combine(_folder, "fences");
        if (path is not null)
        {
            start.Environment["PATH"] = path;
        }

        using var process = Process.Start(start)!;
        try
        {
            await process.StandardInput.WriteAsync(state);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has not read the state: where nothing is fenced, nothing in it matters.
        }

        var said = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, said);
    }
}
