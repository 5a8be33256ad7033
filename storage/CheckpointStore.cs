using System.Text.RegularExpressions;
using PodCheckpointing.Storage.Archives;
using PodCheckpointing.Storage.Frames;

namespace PodCheckpointing.Storage;

/// <summary>The checkpoints on a volume: each is whole, or does not exist.</summary>
/// <remarks>
/// Every file is written beside its place as .partial, synced, renamed, and its folder synced. The marker comes last:
/// without it there is no checkpoint. Layout: podUID/checkpointID/container/{dump.tar.zst,manifest.json} and
/// podUID/checkpointID/.checkpoint-complete.
/// </remarks>
public sealed partial class CheckpointStore
{
    internal const string Artifact = "dump.tar.zst";
    internal const string ManifestFile = "manifest.json";
    internal const string Marker = ".checkpoint-complete";
    internal const string VolumesFolder = ".volumes";
    private const string Volumes = VolumesFolder + "/";
    private const string Statistics = "stats-dump";
    private static readonly string[] Needed = ["checkpoint/inventory.img", "config.dump", "spec.dump"];
    private static readonly string[] Kept = [Statistics, "config.dump", "spec.dump"];
    private readonly string _root;
    private readonly TimeProvider _time;
    private readonly StoreOptions _options;

    /// <summary>The store below a folder.</summary>
    /// <param name="root">The folder, usually where a volume is mounted.</param>
    /// <param name="time">The clock of manifests.</param>
    /// <param name="options">How it reads and writes; by default for this machine.</param>
    public CheckpointStore(string root, TimeProvider time, StoreOptions? options = null)
    {
        (_root, _time, _options) = (Path.TrimEndingDirectorySeparator(root), time, options ?? new StoreOptions());
        _options.Check();
    }

    internal string Root => _root;

    /// <summary>Whether something can be a uid, or the name of a container or a volume: 1 to 63 lower-case letters,
    /// digits and dashes, the first no dash. Such a name leads nowhere, and means nothing to a shell.</summary>
    public static bool IsName(string name) => Name().IsMatch(name);

    /// <summary>How it knows the content of a volume, among the containers.</summary>
    public static string NameOfVolume(string volume) => Volumes + volume;

    /// <summary>An identity that the volume carries: equal for two nodes only when both see the same volume.</summary>
    public string StoreId()
    {
        var path = Path.Combine(_root, ".store-id");
        var stands = Posix.Exists(path);
        var id = stands ? File.ReadAllBytes(path) : [];
        if (id.Length != 16)
        {
            // Whole or absent, too; what is neither is no identity that anybody has seen.
            WholeFile.Create(path, Guid.NewGuid().ToByteArray(), overwrite: stands);
            id = File.ReadAllBytes(path);
        }

        return new Guid(id).ToString();
    }

    /// <summary>The manifest of a finished artifact, or null.</summary>
    /// <exception cref="CorruptArtifactException">It stands there, and cannot be read.</exception>
    public ContainerManifest? Find(string podUid, string checkpointId, string container)
    {
        var folder = FolderOf(podUid, checkpointId, container);
        var path = Path.Combine(folder, ManifestFile);
        if (!Posix.Exists(path))
        {
            return null;
        }

        var manifest = ManifestJson.ReadManifest(File.ReadAllBytes(path), path);
        // A manifest whose bytes are not there is as good as none: they can be written again.
        var artifact = Path.Combine(folder, Artifact);
        return Posix.Exists(artifact) && new FileInfo(artifact).Length == manifest.CompressedSize ? manifest : null;
    }

    /// <summary>The manifest of an artifact of which every byte has been written, though it may not be
    /// durable, nor sealed; or null.</summary>
    /// <remarks>For who begins with the bytes before they count, and asks for
    /// <see cref="FindSealed(string, string, string)"/> before anything comes of it.</remarks>
    public ContainerManifest? FindAnnounced(string podUid, string checkpointId, string container)
    {
        var folders = FoldersOf(podUid, checkpointId, container);
        var path = Path.Combine(folders[^1], ManifestFile);
        try
        {
            return !folders.All(Posix.Renew) ? null
                : (Posix.Exists(path) ? File.ReadAllBytes(path) : WholeFile.Announced(path)) is { } content
                    ? ManifestJson.ReadManifest(content, path)
                    : null;
        }
        catch (Exception exception) when (exception is CorruptArtifactException or IOException)
        {
            // Half of it, at the moment.
            return null;
        }
    }

    /// <summary>Writes the marker over the manifests of these containers; a second time it changes nothing.</summary>
    /// <exception cref="CorruptArtifactException">A container's artifact is missing.</exception>
    /// <exception cref="IOException">The volume fails, or somebody removes the checkpoint.</exception>
    public void Seal(string podUid, string checkpointId, IEnumerable<string> containers)
    {
        using var held = StoreLock.Take(_root, $"{podUid}/{checkpointId}", exclusive: false);
        var manifests = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var container in containers)
        {
            var path = Path.Combine(FolderOf(podUid, checkpointId, container), ManifestFile);
            if (Find(podUid, checkpointId, container) is null)
            {
                throw new CorruptArtifactException(
                    $"container {container} has no artifact in checkpoint {checkpointId}");
            }

            manifests[container] = Digest.Of(File.ReadAllBytes(path));
        }

        PutMarker(
            podUid, checkpointId, manifests.Keys, ManifestJson.Write(new CheckpointMarker { Manifests = manifests }));
    }

    /// <summary>Whether a checkpoint has its marker.</summary>
    /// <exception cref="IOException">The volume fails to say.</exception>
    public bool IsSealed(string podUid, string checkpointId) =>
        Posix.Exists(Path.Combine(FolderOf(podUid, checkpointId, null), Marker));

    /// <summary>Every container's manifest, in the order of their names, out of a sealed checkpoint.</summary>
    /// <exception cref="CorruptArtifactException">There is no marker, or a manifest is not what it says.</exception>
    public IReadOnlyList<ContainerManifest> FindSealed(string podUid, string checkpointId) =>
        [.. ReadMarker(podUid, checkpointId).Manifests.Keys.Order(StringComparer.Ordinal).Select(
            c => FindSealed(podUid, checkpointId, c))];

    /// <summary>A container's manifest out of a sealed checkpoint.</summary>
    /// <exception cref="CorruptArtifactException">There is no marker, or it says otherwise.</exception>
    public ContainerManifest FindSealed(string podUid, string checkpointId, string container)
    {
        var marker = ReadMarker(podUid, checkpointId);
        var folder = FolderOf(podUid, checkpointId, container);
        Posix.Renew(folder);
        var path = Path.Combine(folder, ManifestFile);
        var bytes = Posix.Exists(path)
            ? File.ReadAllBytes(path)
            : throw new CorruptArtifactException($"{path} is missing");
        return marker.Manifests.GetValueOrDefault(container) == Digest.Of(bytes)
            ? ManifestJson.ReadManifest(bytes, path)
            : throw new CorruptArtifactException($"{path} is not the manifest that the marker names");
    }

    /// <summary>A reader of an artifact: the manifest should come from
    /// <see cref="FindSealed(string, string, string)"/>.</summary>
    public ArtifactReader Read(ContainerManifest manifest) =>
        new(Path.Combine(
            FolderOf(manifest.PodUID, manifest.CheckpointID, manifest.Container), Artifact), manifest, _options);

    /// <summary>A follower of an artifact that somebody may still be writing.</summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="checkpointId">The checkpoint.</param>
    /// <param name="container">The container.</param>
    /// <param name="largest">Bytes of the tar after which it gives up.</param>
    public ArtifactFollower Follow(string podUid, string checkpointId, string container, long largest) =>
        new(FoldersOf(podUid, checkpointId, container), Artifact, largest, _time);

    /// <summary>Removes a checkpoint, or one container of it; returns the bytes that came free.</summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="checkpointId">The checkpoint.</param>
    /// <param name="container">The container; null: all of it.</param>
    /// <param name="begun">Is run when nobody else can write or remove it any more, before the first byte goes.</param>
    /// <exception cref="StoreInUseException">Somebody writes or removes the checkpoint.</exception>
    /// <exception cref="IOException">The volume fails.</exception>
    public long Delete(string podUid, string checkpointId, string? container, Action? begun = null)
    {
        var folder = FolderOf(podUid, checkpointId, container);
        if (!Posix.Exists(folder))
        {
            return 0;
        }

        using var held = StoreLock.Take(_root, $"{podUid}/{checkpointId}", exclusive: true);
        begun?.Invoke();
        // The marker first: what is half removed does not exist.
        var marker = Path.Combine(FolderOf(podUid, checkpointId, null), Marker);
        if (Posix.Exists(marker))
        {
            File.Delete(marker);
            Posix.SyncDirectory(Path.GetDirectoryName(marker)!);
        }

        var freed = Images.CheckpointImages.FilesBelow(folder).Sum(f => f.Length);
        Directory.Delete(folder, recursive: true);
        foreach (var parent in new[] { Path.GetDirectoryName(folder)!, FolderOf(
            podUid, checkpointId, null), Path.Combine(_root, podUid) })
        {
            if (Posix.Exists(parent) && !Directory.EnumerateFileSystemEntries(parent).Any())
            {
                Directory.Delete(parent);
            }
        }

        return freed;
    }

    /// <summary>Bytes that are free on the volume.</summary>
    public long FreeBytes() => new DriveInfo(_root).AvailableFreeSpace;

    private CheckpointMarker ReadMarker(string podUid, string checkpointId)
    {
        // Whoever asks for it knows that it is there; this node may have looked for it too early.
        foreach (var folder in FoldersOf(podUid, checkpointId, null))
        {
            Posix.Renew(folder);
        }

        var path = Path.Combine(FolderOf(podUid, checkpointId, null), Marker);
        return Posix.Exists(path)
            ? ManifestJson.ReadMarker(File.ReadAllBytes(path), path)
            : throw new CorruptArtifactException($"checkpoint {checkpointId} of pod {podUid} is not complete");
    }

    // The memory of a process holds its secrets: nobody else may read it. .NET gives a mode to the last folder only.
    internal void MakeFolders(string folder)
    {
        if (folder != _root && !Posix.Exists(folder))
        {
            MakeFolders(Path.GetDirectoryName(folder)!);
            Directory.CreateDirectory(folder, WholeFile.OwnersFolder);
        }
    }

    /// <summary>The last step: from here on there is a checkpoint.</summary>
    internal void PutMarker(string podUid, string checkpointId, IEnumerable<string> containers, byte[] marker)
    {
        var folder = FolderOf(podUid, checkpointId, null);
        // The names on the way to every manifest have to be durable before the marker is; whoever
        // wrote one may not have come so far.
        foreach (var container in containers)
        {
            Posix.SyncDirectory(FolderOf(podUid, checkpointId, container));
        }

        Posix.SyncDirectory(_root);
        Posix.SyncDirectory(Path.Combine(_root, podUid));
        Posix.SyncDirectory(folder);
        if (Posix.Exists(Path.Combine(folder, Volumes)))
        {
            Posix.SyncDirectory(Path.Combine(folder, Volumes));
        }

        // Two containers may be the last one at once.
        WholeFile.Create(Path.Combine(folder, Marker), marker, overwrite: true);
    }

    /// <summary>The folders on the way to a container's, or a checkpoint's, from the root on.</summary>
    private string[] FoldersOf(string podUid, string checkpointId, string? container)
    {
        var folder = FolderOf(podUid, checkpointId, container);
        var names = folder[(_root.Length + 1)..].Split('/');
        return [_root, .. names.Select((_, i) => Path.Combine([_root, .. names[..(i + 1)]]))];
    }

    internal string FolderOf(string podUid, string checkpointId, string? container)
    {
        var folder = Path.Combine(_root, Valid("pod uid", podUid), Valid("checkpoint id", checkpointId));
        return container is null ? folder
            // Content of a volume lies beside the containers, out of the way of their names.
            : container.StartsWith(Volumes, StringComparison.Ordinal)
                ? Path.Combine(folder, Volumes, Valid("volume", container[Volumes.Length..]))
                : Path.Combine(folder, Valid("container", container));
    }

    private static string Valid(string what, string name) => IsName(name)
        ? name
        : throw new ArgumentException($"{what} \"{name}\" is not valid: lower-case letters, digits and dashes only");

    [GeneratedRegex(@"\A[0-9a-z][-0-9a-z]{0,62}\z")]
    private static partial Regex Name();
}
