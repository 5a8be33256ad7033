using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Storage;
using PodCheckpointing.Stress;

namespace PodCheckpointing.Component.Store;

/// <summary>A volume that is full at any point of a write: nothing is left, the error says so, and
/// what was there stays whole.</summary>
public sealed class FullVolumeTests
{
    private const string Pod = "7c9e6679";
    private string _folder = null!;
    private string _root = null!;

    [SetUp]
    public void Begin()
    {
        _folder = Directory.CreateTempSubdirectory("store").FullName;
        _root = Directory.CreateDirectory(Path.Combine(_folder, "volume")).FullName;
    }

    [TearDown]
    public async Task EndAsync()
    {
        // A test that failed may not have come to mount it, or hold a file of it open.
        if (File.ReadLines("/proc/mounts").Any(line => line.Split(' ')[1] == _root))
        {
            await StoragePeers.RunAsync("umount", "--lazy", _root);
        }

        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public async Task A_loop_file_system_that_fills_up()
    {
        var image = Path.Combine(_folder, "image");
        await using (var file = File.Create(image))
        {
            file.SetLength(4 << 20);
        }

        await StoragePeers.RunAsync("mkfs.ext4", "-q", "-F", "-b", "1024", "-m", "0", "-O", "^has_journal", image);
        await StoragePeers.RunAsync("mount", "-o", "loop", image, _root);
        (await FillUpAsync(block: 1024)).Should().BeGreaterThan(5, "it was full at many points");
    }

    [Test]
    public async Task A_memory_file_system_that_fills_up()
    {
        await StoragePeers.RunAsync("mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", _root);
        (await FillUpAsync(block: 4096)).Should().BeGreaterThan(5, "it was full at many points");
    }

    // First no block is free, then one, and so on until a checkpoint fits.
    private async Task<int> FillUpAsync(int block)
    {
        var small = new SmallStore(_root);
        await small.RetryAsync(Pod, 1);
        var before = Files();
        var ballast = Path.Combine(_root, "ballast");
        await FillAsync(ballast, block);
        for (var full = 0; ; full++)
        {
            try
            {
                await small.RetryAsync(Pod, 2);
                (await small.SeesAsync(Pod, 1)).Should().BeTrue();
                return full;
            }
            catch (IOException exception)
            {
                exception.Message.Should().Contain("No space left on device").And.Contain(_root);
            }

            (await small.SeesAsync(Pod, 2)).Should().BeFalse();
            (await small.SeesAsync(Pod, 1)).Should().BeTrue();
            Files().Where(path => !path.EndsWith("manifest.json") && !path.EndsWith("dump.tar.zst"))
                .Should().BeEquivalentTo([.. before, "ballast"], "nothing unfinished is left");
            foreach (var dump in Files().Where(path => path.EndsWith("dump.tar.zst")))
            {
                Files().Should().Contain(
                    Path.Combine(Path.GetDirectoryName(dump)!, "manifest.json"), "it is whole, or it is not there");
            }

            small.Store.Delete(Pod, SmallDump.IdOf(2), null);
            await using var file = File.OpenWrite(ballast);
            file.SetLength(Math.Max(file.Length - block, 0));
        }
    }

    private static async Task FillAsync(string path, int block)
    {
        await using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        try
        {
            while (true)
            {
                file.Write(new byte[block]);
                file.Flush(flushToDisk: true);
            }
        }
        catch (IOException)
        {
            // Full.
        }
    }

    private List<string> Files() =>
        [.. Directory.EnumerateFiles(_root, "*", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(_root, path))
            .Where(path => !path.StartsWith(Path.Combine(Pod, SmallDump.IdOf(1))))];
}
