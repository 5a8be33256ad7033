using System.Formats.Tar;

namespace PodCheckpointing.Storage.Archives;

/// <summary>Extracts an artifact into a folder while its digests are compared.</summary>
public static class ArchiveExtractor
{
    /// <summary>Extracts plain files and folders; the caller must not use the folder unless this returns.</summary>
    /// <returns>The bytes of the tar.</returns>
    /// <exception cref="CorruptArtifactException">The artifact is corrupt, or holds what a checkpoint never does.</exception>
    public static async Task<long> ExtractAsync(
        this CheckpointStore store, ContainerManifest manifest, string folder, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = store.Read(manifest).OpenTar(cancellationToken);
            await using var tar = new TarReader(stream);
            while (await tar.GetNextEntryAsync(copyData: false, cancellationToken) is { } entry)
            {
                await ExtractAsync(entry, folder, cancellationToken);
            }

            // The padding behind the end marker, so that the reader can finish and compare.
            await stream.CopyToAsync(Stream.Null, cancellationToken);
        }
        catch (Exception exception) when (exception is InvalidDataException or FormatException)
        {
            throw new CorruptArtifactException($"the archive cannot be read: {exception.Message}", exception);
        }

        return manifest.Size;
    }

    private static async Task ExtractAsync(TarEntry entry, string folder, CancellationToken cancellationToken)
    {
        var parts = entry.Name.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(p => p != ".").ToArray();
        if (entry.Name.StartsWith('/') || parts.Contains(".."))
        {
            throw new CorruptArtifactException($"the archive holds the path {entry.Name}, which leads outside");
        }

        var path = Path.Combine([folder, .. parts]);
        switch (entry.EntryType)
        {
            case TarEntryType.Directory:
                Directory.CreateDirectory(path);
                break;
            case TarEntryType.RegularFile or TarEntryType.V7RegularFile:
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                await using (var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write))
                {
                    if (entry.DataStream is { } data)
                    {
                        await data.CopyToAsync(file, cancellationToken);
                    }
                }

                break;
            case TarEntryType.GlobalExtendedAttributes:
                break;
            default:
                throw new CorruptArtifactException($"the archive holds {entry.Name} of type {entry.EntryType}; a checkpoint has files and folders only");
        }
    }
}
