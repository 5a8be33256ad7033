using System.Text.Json;

namespace PodCheckpointing.Storage.Images;

/// <summary>An OCI layout on disk.</summary>
/// <param name="Folder">Where it lies.</param>
/// <param name="Layer">How its layer came there.</param>
public sealed record OciLayout(string Folder, LayerOrigin Layer);

/// <summary>Makes OCI images of a store's checkpoints; the dump itself is the layer, and is neither copied nor
/// compressed again where that can be helped.</summary>
public sealed class CheckpointImages(CheckpointStore store)
{
    private const string Layout = "image";
    private const int LargestSpecification = 16 << 20;

    /// <summary>The image of one container out of a sealed checkpoint.</summary>
    /// <exception cref="CorruptArtifactException">There is no such checkpoint, or it is not what it says.</exception>
    public async Task<OciImage> DescribeAsync(
        string podUid, string checkpointId, string container, CancellationToken cancellationToken)
    {
        var manifest = store.FindSealed(podUid, checkpointId, container);
        return (manifest.PodUID, manifest.CheckpointID, manifest.Container) == (podUid, checkpointId, container)
            ? new OciImage(manifest, await EngineOfAsync(manifest, cancellationToken).ConfigureAwait(false))
            : throw new CorruptArtifactException(
                $"the manifest of {podUid}/{checkpointId}/{container} is one of "
                + $"{manifest.PodUID}/{manifest.CheckpointID}/{manifest.Container}");
    }

    /// <summary>The layer's bytes, which nobody has compared yet.</summary>
    /// <exception cref="CorruptArtifactException">There are more of them, or fewer.</exception>
    public FileStream OpenLayer(OciImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        var file = new FileStream(
            PathOf(image), FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.Asynchronous);
        if (file.Length == image.LayerSize)
        {
            return file;
        }

        using (file)
        {
            throw new CorruptArtifactException(
                $"{file.Name} has {file.Length} bytes; its manifest says {image.LayerSize}");
        }
    }

    /// <summary>The layout beside the dump, where every node that sees the volume finds it, and
    /// which goes when the dump goes.</summary>
    public string FolderOf(OciImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        return Path.Combine(Path.GetDirectoryName(PathOf(image))!, Layout);
    }

    /// <summary>Writes an OCI layout that holds this image alone; a second time it changes nothing.</summary>
    /// <remarks>index.json comes last: without it there is no image. The layer is read once and
    /// compared with its digest.</remarks>
    /// <exception cref="CorruptArtifactException">The dump is not what its manifest says.</exception>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public async Task<OciLayout> WriteLayoutAsync(
        OciImage image, string folder, string name, string tag, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(image);
        // Nobody removes the dump meanwhile, and what is being removed gets no new files.
        var checkpoint = image.Checkpoint;
        using var held = StoreLock.Take(store.Root, $"{checkpoint.PodUID}/{checkpoint.CheckpointID}", exclusive: false);
        _ = store.FindSealed(checkpoint.PodUID, checkpoint.CheckpointID, checkpoint.Container);
        var blobs = Path.Combine(folder, "blobs", "sha256");
        Directory.CreateDirectory(folder, WholeFile.OwnersFolder);
        Directory.CreateDirectory(Path.GetDirectoryName(blobs)!, WholeFile.OwnersFolder);
        Directory.CreateDirectory(blobs, WholeFile.OwnersFolder);
        var layer = await PlaceLayerAsync(image, BlobOf(blobs, image.LayerDigest), cancellationToken)
            .ConfigureAwait(false);
        Place(BlobOf(blobs, image.ConfigDigest), image.Config);
        Place(BlobOf(blobs, image.ManifestDigest), image.Manifest);
        Place(Path.Combine(folder, OciImage.LayoutFile), OciImage.LayoutVersion.ToArray());
        Posix.SyncDirectory(Path.GetDirectoryName(blobs)!);
        Place(Path.Combine(folder, "index.json"), image.Index(name, tag));
        return new OciLayout(folder, layer);
    }

    /// <summary>The files of a checkpoint's folder, each once: the layer of a layout is a
    /// further name of the dump.</summary>
    internal static IEnumerable<FileInfo> FilesBelow(string folder) =>
        new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories)
            .Where(file => !file.FullName.Contains($"/{Layout}/blobs/", StringComparison.Ordinal));

    private static string BlobOf(string blobs, string digest) => Path.Combine(blobs, Digest.Hex(digest));

    private static void Place(string path, byte[] content)
    {
        if (!File.Exists(path) || !File.ReadAllBytes(path).AsSpan().SequenceEqual(content))
        {
            WholeFile.Create(path, content, overwrite: true);
        }
    }

    private async Task<LayerOrigin> PlaceLayerAsync(OciImage image, string path, CancellationToken cancellationToken)
    {
        // Under its name only after its digest was compared, so its length is enough to know it by.
        if (new FileInfo(path) is { Exists: true } standing && standing.Length == image.LayerSize)
        {
            return LayerOrigin.Present;
        }

        var partial = $"{path}.{Guid.NewGuid():n}.partial";
        var origin = await LayerCopy.MakeAsync(PathOf(image), partial, image.LayerDigest, cancellationToken)
            .ConfigureAwait(false);
        File.Move(partial, path, overwrite: true);
        // rename(2) leaves both names where they are one file already: another call was first.
        File.Delete(partial);
        Posix.SyncDirectory(Path.GetDirectoryName(path)!);
        return origin;
    }

    private string PathOf(OciImage image) => Path.Combine(
        store.FolderOf(image.Checkpoint.PodUID, image.Checkpoint.CheckpointID, image.Checkpoint.Container),
        CheckpointStore.Artifact);

    // As checkpointctl tells them apart: CRI-O names itself in the container's
    // specification, containerd has keys of its own.
    private async Task<string> EngineOfAsync(ContainerManifest manifest, CancellationToken cancellationToken)
    {
        using var archive = store.Read(manifest).Browse();
        var entry = archive.Find("spec.dump", cancellationToken);
        if (entry is null || entry.Size > LargestSpecification)
        {
            return "";
        }

        using var content = new MemoryStream();
        await archive.CopyAsync(entry, content, cancellationToken).ConfigureAwait(false);
        try
        {
            using var specification = JsonDocument.Parse(content.ToArray());
            if (specification.RootElement.ValueKind != JsonValueKind.Object
                || !specification.RootElement.TryGetProperty("annotations", out var annotations)
                || annotations.ValueKind != JsonValueKind.Object)
            {
                return "";
            }

            return annotations.TryGetProperty("io.container.manager", out var engine)
                && engine.ValueKind == JsonValueKind.String
                ? engine.GetString()!
                : annotations.TryGetProperty("io.kubernetes.cri.container-type", out _) ? "containerd" : "";
        }
        catch (JsonException)
        {
            return "";
        }
    }
}
