using PodCheckpointing.Storage.Transfer;

namespace PodCheckpointing.Storage.Tool;

/// <summary>Checkpoints as files.</summary>
internal sealed partial class StoreCommand
{
    private async Task<int> ExportAsync(string root, string name, string target, CancellationToken cancellationToken)
    {
        var parts = name.Split('/', 3);
        if (parts.Length < 2)
        {
            throw new UsageException(
                $"\"{name}\" names no checkpoint; write <podUID>/<checkpointID>, or that and /<container>");
        }

        if (File.Exists(target))
        {
            throw new UsageException($"\"{target}\" is there already; give a new name");
        }

        if (parts.Length == 2)
        {
            long bytes = 0;
            await WriteAsync(target, async file =>
                bytes = await new CheckpointExport(root, time).WriteAsync(parts[0], parts[1], file, cancellationToken));
            output.WriteLine($"{target}: {name}, {bytes} bytes of artifacts");
            return Whole;
        }

        var store = new CheckpointStore(root, time);
        var reader = store.Read(store.FindSealed(parts[0], parts[1], parts[2]));
        await WriteAsync(
            target, file => reader.ReadAsync(bytes => file.WriteAsync(bytes, cancellationToken), cancellationToken));
        output.WriteLine($"{target}: {reader.Manifest.Size} bytes, {reader.Manifest.Digest}");
        return Whole;
    }

    private async Task<int> ImportAsync(string root, string source, CancellationToken cancellationToken)
    {
        if (!File.Exists(source))
        {
            throw new UsageException($"there is no file \"{source}\"");
        }

        await using var file = new FileStream(source, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        var result = await new CheckpointImport(root, time).ReadAsync(file, cancellationToken);
        output.WriteLine($"{result.PodUID}/{result.CheckpointID}: {result.Bytes} bytes of artifacts"
            + (result.New ? "" : "; the same checkpoint stood there already"));
        return Whole;
    }

    // It holds a process' memory: for its owner only. Under its name only when all of it was compared.
    private static async Task WriteAsync(string target, Func<FileStream, Task> write)
    {
        var partial = $"{target}.{Guid.NewGuid():n}.partial";
        try
        {
            await using (var file = new FileStream(partial, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                BufferSize = 0,
                UnixCreateMode = WholeFile.OwnersFile,
            }))
            {
                await write(file);
                file.Flush(flushToDisk: true);
            }

            File.Move(partial, target, overwrite: false);
            WholeFile.SyncFolder(Path.GetDirectoryName(Path.GetFullPath(target))!);
        }
        finally
        {
            File.Delete(partial);
        }
    }
}
