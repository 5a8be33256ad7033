using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Component.Store;

/// <summary>Every file system call of a write, an import, a removal, a sweep and a check fails once:
/// EIO, ENOSPC, EINTR, ESTALE.</summary>
public sealed class FaultTests
{
    private string _folder = null!;

    [SetUp]
    public void Begin() => _folder = Directory.CreateDirectory($"/dev/shm/store-{Guid.NewGuid():n}").FullName;

    [TearDown]
    public void End() => Directory.Delete(_folder, recursive: true);

    [Test]
    public async Task Whatever_call_fails_a_reader_sees_old_or_new_and_the_next_try_succeeds()
    {
        var (code, said) = await RunAsync("faults");

        code.Should().Be(0, said);
        said.Should().MatchRegex("faults: [1-9][0-9]{3} runs, 0 wrong");
        foreach (var call in new[] { "access", "open64", "open", "pwrite64", "fsync",
            "ftruncate64", "rename", "mkdir", "rmdir", "unlink", "flock", "fcntl", "close", "readdir64", "pread64" })
        {
            said.Should().MatchRegex($"\\b{call} [1-9]", "it was made to fail");
        }
    }

    [Test]
    public async Task A_disk_that_fails_while_a_write_goes_on_fails_the_write()
    {
        var (code, said) = await RunAsync("write-back");

        code.Should().Be(0, said);
        said.Should().Contain("write-back: 9 runs, 0 wrong");
    }

    private async Task<(int Code, string Said)> RunAsync(string what)
    {
        var library = await StoragePeers.FaultsAsync(_folder);
        var root = Directory.CreateDirectory(Path.Combine(_folder, "root")).FullName;
        using var process = Process.Start(new ProcessStartInfo(LifeProcess.Executable, [what, root])
        {
            RedirectStandardOutput = true,
            Environment = { ["LD_PRELOAD"] = library },
        })!;
        var said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        TestContext.Out.WriteLine(said);
        return (process.ExitCode, said);
    }
}
