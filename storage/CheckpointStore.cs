using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace PodCheckpointing.Storage;

/// <summary>The checkpoints on a volume: each is whole, or does not exist.</summary>
/// <remarks>
/// Every file is written beside its place as .partial, synced, renamed, and its folder synced. The marker comes last:
/// without it there is no checkpoint. Layout: podUID/checkpointID/container/{dump.tar.zst,manifest.json} and
/// podUID/checkpointID/.checkpoint-complete.
/// </remarks>
public sealed partial class CheckpointStore(string root, TimeProvider time)
{
    private const int FrameSize = 8 * 1024 * 1024;
    private const string Artifact = "dump.tar.zst";
    private const string ManifestFile = "manifest.json";
    private const string Marker = ".checkpoint-complete";
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    /// <summary>An identity that the volume carries: equal for two nodes only when both see the same volume.</summary>
    public string StoreId()
    {
        var path = Path.Combine(root, ".store-id");
        try
        {
            using var file = new FileStream(path, FileMode.CreateNew);
            file.Write(Guid.NewGuid().ToByteArray());
            file.Flush(flushToDisk: true);
        }
        catch (IOException) when (File.Exists(path))
        {
            // Another node was first.
        }

        return new Guid(File.ReadAllBytes(path)).ToString();
    }

    /// <summary>Stores one container's tar. Returns what stands there already, where it does.</summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="checkpointId">The checkpoint.</param>
    /// <param name="container">The container.</param>
    /// <param name="tar">The tar; read up to its end marker.</param>
    /// <param name="origin">What the manifest says of it.</param>
    /// <param name="progress">Is told the bytes read so far.</param>
    /// <param name="cancellationToken">Gives up and leaves nothing.</param>
    /// <exception cref="CorruptArtifactException">The stream is no whole checkpoint archive.</exception>
    /// <exception cref="IOException">The volume fails, is full, or another writer is at it; nothing is left.</exception>
    public async Task<ContainerManifest> WriteAsync(
        string podUid,
        string checkpointId,
        string container,
        Stream tar,
        Origin origin,
        IProgress<long> progress,
        CancellationToken cancellationToken)
    {
        if (Find(podUid, checkpointId, container) is { } existing)
        {
            return existing;
        }

        var folder = FolderOf(podUid, checkpointId, container);
        Directory.CreateDirectory(folder);
        var partial = Path.Combine(folder, Artifact + ".partial");
        try
        {
            // FileShare.None is a lock that dies with its holder: a dead writer's leftover is taken over.
            await using var file = new FileStream(
                partial, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None, bufferSize: 0, useAsync: true);
            file.SetLength(0);
            var manifest = await CompressAsync(tar, file, progress, cancellationToken) with
            {
                PodUID = podUid,
                CheckpointID = checkpointId,
                Container = container,
                Origin = origin,
                CreatedAt = time.GetUtcNow().UtcDateTime,
            };
            file.Flush(flushToDisk: true);
            File.Move(partial, Path.Combine(folder, Artifact), overwrite: true);
            WriteWhole(folder, ManifestFile, JsonSerializer.SerializeToUtf8Bytes(manifest, Json));
            return manifest;
        }
        catch
        {
            File.Delete(partial);
            throw;
        }
    }

    /// <summary>The manifest of a finished artifact, or null.</summary>
    /// <exception cref="CorruptArtifactException">It stands there, and cannot be read.</exception>
    public ContainerManifest? Find(string podUid, string checkpointId, string container)
    {
        var path = Path.Combine(FolderOf(podUid, checkpointId, container), ManifestFile);
        return File.Exists(path) ? ReadManifest(File.ReadAllBytes(path), path) : null;
    }

    /// <summary>Writes the marker over the manifests of these containers; a second time it changes nothing.</summary>
    /// <exception cref="CorruptArtifactException">A container's artifact is missing.</exception>
    public void Seal(string podUid, string checkpointId, IEnumerable<string> containers)
    {
        var manifests = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var container in containers)
        {
            var path = Path.Combine(FolderOf(podUid, checkpointId, container), ManifestFile);
            if (!File.Exists(path))
            {
                throw new CorruptArtifactException($"container {container} has no artifact in checkpoint {checkpointId}");
            }

            manifests[container] = DigestOf(SHA256.HashData(File.ReadAllBytes(path)));
        }

        WriteWhole(
            FolderOf(podUid, checkpointId, null),
            Marker,
            JsonSerializer.SerializeToUtf8Bytes(new CheckpointMarker { Manifests = manifests }, Json));
    }

    /// <summary>A container's manifest out of a sealed checkpoint.</summary>
    /// <exception cref="CorruptArtifactException">There is no marker, or it says otherwise.</exception>
    public ContainerManifest FindSealed(string podUid, string checkpointId, string container)
    {
        var markerPath = Path.Combine(FolderOf(podUid, checkpointId, null), Marker);
        if (!File.Exists(markerPath))
        {
            throw new CorruptArtifactException($"checkpoint {checkpointId} of pod {podUid} is not complete");
        }

        var path = Path.Combine(FolderOf(podUid, checkpointId, container), ManifestFile);
        var bytes = File.Exists(path)
            ? File.ReadAllBytes(path)
            : throw new CorruptArtifactException($"{path} is missing");
        var marker = JsonSerializer.Deserialize<CheckpointMarker>(File.ReadAllBytes(markerPath), Json)!;
        return marker.Manifests.GetValueOrDefault(container) == DigestOf(SHA256.HashData(bytes))
            ? ReadManifest(bytes, path)
            : throw new CorruptArtifactException($"{path} is not the manifest that the marker names");
    }

    /// <summary>The tar of an artifact, frame by frame; every digest has been compared when the last one was handed out.</summary>
    /// <exception cref="CorruptArtifactException">The artifact is not what the manifest says.</exception>
    public async Task ReadAsync(
        ContainerManifest manifest,
        Func<ReadOnlyMemory<byte>, ValueTask> sink,
        CancellationToken cancellationToken)
    {
        var path = Path.Combine(FolderOf(manifest.PodUID, manifest.CheckpointID, manifest.Container), Artifact);
        using var plain = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var packed = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var input = ArrayPool<byte>.Shared.Rent(Zstd.Bound(FrameSize));
        var output = ArrayPool<byte>.Shared.Rent(FrameSize);
        try
        {
            await using var file = File.OpenRead(path);
            foreach (var frame in manifest.Frames)
            {
                if (frame.Size > output.Length || frame.CompressedSize > input.Length || frame.Size < 0)
                {
                    throw new CorruptArtifactException($"{path}: the manifest names a frame of {frame.Size} bytes");
                }

                await file.ReadExactlyAsync(input.AsMemory(0, frame.CompressedSize), cancellationToken);
                packed.AppendData(input, 0, frame.CompressedSize);
                if (Zstd.Decompress(input.AsSpan(0, frame.CompressedSize), output.AsSpan(0, frame.Size)) != frame.Size)
                {
                    throw new CorruptArtifactException($"{path}: a frame is shorter than the manifest says");
                }

                plain.AppendData(output, 0, frame.Size);
                await sink(output.AsMemory(0, frame.Size));
            }
        }
        catch (Exception exception) when (exception is InvalidDataException or EndOfStreamException or FileNotFoundException)
        {
            throw new CorruptArtifactException($"{path}: {exception.Message}", exception);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(input);
            ArrayPool<byte>.Shared.Return(output);
        }

        if (DigestOf(packed.GetHashAndReset()) != manifest.CompressedDigest
            || DigestOf(plain.GetHashAndReset()) != manifest.Digest)
        {
            throw new CorruptArtifactException($"{path} does not have the digest that its manifest names");
        }
    }

    /// <summary>Removes a checkpoint, or one container of it; returns the bytes that came free.</summary>
    public long Delete(string podUid, string checkpointId, string? container)
    {
        var folder = FolderOf(podUid, checkpointId, container);
        if (!Directory.Exists(folder))
        {
            return 0;
        }

        // The marker first: what is half removed does not exist.
        File.Delete(Path.Combine(FolderOf(podUid, checkpointId, null), Marker));
        var freed = new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length);
        Directory.Delete(folder, recursive: true);
        foreach (var parent in new[] { FolderOf(podUid, checkpointId, null), Path.Combine(root, podUid) })
        {
            if (Directory.Exists(parent) && !Directory.EnumerateFileSystemEntries(parent).Any())
            {
                Directory.Delete(parent);
            }
        }

        return freed;
    }

    /// <summary>Bytes that are free on the volume.</summary>
    public long FreeBytes() => new DriveInfo(root).AvailableFreeSpace;

    private static async Task<ContainerManifest> CompressAsync(
        Stream tar, FileStream file, IProgress<long> progress, CancellationToken cancellationToken)
    {
        using var plain = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var packed = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var frames = new List<Frame>();
        var input = ArrayPool<byte>.Shared.Rent(FrameSize);
        var output = ArrayPool<byte>.Shared.Rent(Zstd.Bound(FrameSize));
        var walker = new ArchiveWalker();
        long total = 0, compressed = 0;
        try
        {
            while (!walker.AtEnd)
            {
                var read = await tar.ReadAtLeastAsync(
                    input.AsMemory(0, FrameSize), FrameSize, throwOnEndOfStream: false, cancellationToken);
                // Behind the end marker a longer, older file may show its tail: it is not part of the archive.
                var used = walker.Take(input.AsSpan(0, read));
                if (read == 0 || used == 0)
                {
                    break;
                }

                plain.AppendData(input, 0, used);
                var size = Zstd.Compress(input.AsSpan(0, used), output, level: 1);
                packed.AppendData(output, 0, size);
                await file.WriteAsync(output.AsMemory(0, size), cancellationToken);
                frames.Add(new Frame(used, size));
                total += used;
                compressed += size;
                progress.Report(total);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(input);
            ArrayPool<byte>.Shared.Return(output);
        }

        walker.Finish();
        return new ContainerManifest
        {
            Size = total,
            Digest = DigestOf(plain.GetHashAndReset()),
            CompressedSize = compressed,
            CompressedDigest = DigestOf(packed.GetHashAndReset()),
            Frames = frames,
        };
    }

    private static ContainerManifest ReadManifest(byte[] bytes, string path)
    {
        try
        {
            var manifest = JsonSerializer.Deserialize<ContainerManifest>(bytes, Json)!;
            return manifest.SchemaVersion == ContainerManifest.CurrentVersion
                ? manifest
                : throw new CorruptArtifactException(
                    $"{path} has schemaVersion {manifest.SchemaVersion}; this program reads {ContainerManifest.CurrentVersion}");
        }
        catch (JsonException exception)
        {
            throw new CorruptArtifactException($"{path} is no manifest: {exception.Message}", exception);
        }
    }

    private static void WriteWhole(string folder, string name, byte[] content)
    {
        var partial = Path.Combine(folder, name + ".partial");
        using (var file = new FileStream(partial, FileMode.Create, FileAccess.Write, FileShare.None))
        {
            file.Write(content);
            file.Flush(flushToDisk: true);
        }

        File.Move(partial, Path.Combine(folder, name), overwrite: true);
        Posix.SyncDirectory(folder);
    }

    private static string DigestOf(byte[] hash) => "sha256:" + Convert.ToHexStringLower(hash);

    private string FolderOf(string podUid, string checkpointId, string? container)
    {
        foreach (var (what, part) in new[] { ("pod uid", podUid), ("checkpoint id", checkpointId), ("container", container ?? "c") })
        {
            if (!Part().IsMatch(part))
            {
                throw new ArgumentException($"{what} \"{part}\" is not valid: lower-case letters, digits and dashes only");
            }
        }

        return container is null ? Path.Combine(root, podUid, checkpointId) : Path.Combine(root, podUid, checkpointId, container);
    }

    [GeneratedRegex(@"\A[0-9a-z]([-0-9a-z]{0,61}[0-9a-z])?\z")]
    private static partial Regex Part();
}
