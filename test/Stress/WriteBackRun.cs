using System.Formats.Tar;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Stress;

/// <summary>Lets a wait for the disk in the middle of a write fail: that error is told once, and the fsync at the end
/// would succeed over the hole.</summary>
internal sealed class WriteBackRun(string root, TextWriter output)
{
    private const string Pod = "7c9e6679";
    private const string Volume = ".volumes/data";

    // As the kernel tells of a failed write, and as it tells that it cannot be asked.
    private static readonly (string Name, int Number, bool Lost)[] Errors =
        [("EIO", 5, true), ("ENOSPC", 28, true), ("EDQUOT", 122, true), ("ESTALE", 116, true),
         ("EINTR", 4, false), ("EINVAL", 22, false), ("ESPIPE", 29, false), ("ENOSYS", 38, false)];

    private readonly CheckpointStore _store = new(root, TimeProvider.System, new StoreOptions { Workers = 1 });

    public async Task<int> RunAsync()
    {
        FaultCalls.Attach();
        var archive = Archive();
        int runs = 0, wrong = 0;
        foreach (var (call, error) in Errors.Select(e => ("sync_file_range waiting", e))
            .Append(("sync_file_range", Errors[0])))
        {
            FaultCalls.Arm(root, call, 1, error.Number);
            var thrown = await WriteAsync(archive);
            runs += FaultCalls.Disarm() > 0 ? 1 : 0;
            var stands = _store.Find(Pod, SmallDump.IdOf(0), Volume) is not null;
            if (error.Lost ? thrown is not IOException || stands : thrown is not null || !stands)
            {
                wrong++;
                output.WriteLine($"WRONG {error.Name} in {call}: {(stands ? "it stands" : "there is none")}: {thrown}");
            }

            _store.Delete(Pod, SmallDump.IdOf(0), null);
        }

        output.WriteLine($"write-back: {runs} runs, {wrong} wrong");
        return wrong == 0 ? 0 : 1;
    }

    private async Task<Exception?> WriteAsync(byte[] archive)
    {
        try
        {
            await _store.WriteAsync(
                Pod, SmallDump.IdOf(0), Volume, new MemoryStream(archive), new Origin(), new Progress<long>(),
                CancellationToken.None);
            return null;
        }
        catch (Exception exception)
        {
            return exception;
        }
    }

    // Large enough for a wait, and nothing that compresses.
    private static byte[] Archive()
    {
        var content = new byte[34 << 20];
        new Random(1).NextBytes(content);
        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, TarEntryFormat.Ustar, leaveOpen: true))
        {
            tar.WriteEntry(
                new UstarTarEntry(TarEntryType.RegularFile, "file") { DataStream = new MemoryStream(content) });
        }

        return stream.ToArray();
    }
}
