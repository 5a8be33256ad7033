using System.Security.Cryptography;
using PodCheckpointing.Storage.Archives;
using PodCheckpointing.Storage.Frames;

namespace PodCheckpointing.Storage.Transfer;

/// <summary>Where an import goes: refuses what is not expected, entry by entry, and puts
/// the rest where it belongs.</summary>
internal sealed class ImportTarget(string root, CheckpointStore store) : IArchiveVisitor, IDisposable
{
    // The frame index of a terabyte has some 10 MiB.
    private const int LargestManifest = 64 << 20;
    private readonly Dictionary<string, Imported> _containers = new(StringComparer.Ordinal);
    private readonly List<string> _made = [];
    private StoreLock? _held;
    private string _pod = "";
    private string _id = "";
    private CheckpointMarker? _standing;
    private byte[]? _marker;
    private byte[]? _content;
    private int _filled;
    private bool _sealing;
    private Imported? _artifact;
    private Action _end = () => { };

    private string Folder => store.FolderOf(_pod, _id, null);

    /// <inheritdoc/>
    public void Begin(ArchiveEntry entry)
    {
        var parts = entry.Path.Split('/');
        if (entry.Type == ArchiveEntryType.Directory)
        {
            // tar adds them when somebody packs it again; they say nothing.
            _end = () => { };
            return;
        }

        if (entry.Type != ArchiveEntryType.File || parts.Length < 3)
        {
            throw Unexpected(entry);
        }

        BeginCheckpoint(parts[0], parts[1], entry);
        switch (parts[2..])
        {
            case [CheckpointStore.Marker] when _marker is null:
                Keep(entry, () => _marker = _content);
                break;
            case [.., CheckpointStore.ManifestFile] when parts.Length is 4 or 5:
                BeginManifest(string.Join('/', parts[2..^1]), entry);
                break;
            case [.., CheckpointStore.Artifact]
                when _containers.TryGetValue(string.Join('/', parts[2..^1]), out var container):
                BeginArtifact(container, entry);
                break;
            default:
                throw Unexpected(entry);
        }
    }

    /// <inheritdoc/>
    public void Data(ReadOnlySpan<byte> bytes)
    {
        if (_artifact is { } artifact)
        {
            artifact.Hash.AppendData(bytes);
            artifact.Output?.Append(bytes);
        }
        else if (_content is not null)
        {
            bytes.CopyTo(_content.AsSpan(_filled));
            _filled += bytes.Length;
        }
    }

    /// <inheritdoc/>
    public void End()
    {
        _end();
        (_content, _artifact, _end) = (null, null, () => { });
    }

    /// <summary>Compares the whole, and makes it a checkpoint.</summary>
    public async Task<ImportResult> FinishAsync(CancellationToken cancellationToken)
    {
        if (_marker is null)
        {
            throw new CorruptArtifactException("the file holds no marker: it is no whole checkpoint");
        }

        var named = ManifestJson.ReadMarker(_marker, CheckpointStore.Marker).Manifests;
        var wrong = named.Keys.Union(_containers.Keys, StringComparer.Ordinal).FirstOrDefault(container =>
            !_containers.TryGetValue(container, out var imported) || !imported.Complete
            || named.GetValueOrDefault(container) != Digest.Of(imported.ManifestBytes));
        if (wrong is not null)
        {
            throw new CorruptArtifactException($"the file's marker does not fit to what it holds of container {wrong}");
        }

        if (_standing is not null
            && !File.ReadAllBytes(Path.Combine(Folder, CheckpointStore.Marker)).AsSpan().SequenceEqual(_marker))
        {
            throw Different("a marker that differs");
        }

        foreach (var container in _containers.Values)
        {
            await store.Read(container.Manifest).VerifyAsync(cancellationToken).ConfigureAwait(false);
        }

        if (_standing is null)
        {
            foreach (var container in _containers.Values.Where(container => container.New))
            {
                Put(Path.Combine(
                    Folder, container.Manifest.Container, CheckpointStore.ManifestFile), container.ManifestBytes);
            }

            _sealing = true;
            store.PutMarker(_pod, _id, _containers.Keys, _marker);
            _made.Clear();
        }

        return new ImportResult(
            _pod, _id, _containers.Values.Sum(container => container.Manifest.CompressedSize), _standing is null);
    }

    /// <summary>Removes what was made, if it did not become a checkpoint.</summary>
    public void TakeBack()
    {
        Close();
        try
        {
            if (_sealing && _made.Count > 0)
            {
                // The marker may stand although it was not synced: it goes first, as ever.
                File.Delete(Path.Combine(Folder, CheckpointStore.Marker));
                Posix.SyncDirectory(Folder);
            }

            _made.ForEach(File.Delete);
            foreach (var folder in _made.SelectMany(ParentsOf)
                .Distinct()
                .OrderByDescending(folder => folder.Length)
                .Where(Posix.Exists))
            {
                if (!Directory.EnumerateFileSystemEntries(folder).Any())
                {
                    Directory.Delete(folder);
                }
            }
        }
        catch (IOException)
        {
            // What went wrong before is what the caller has to know; the sweep finds the rest.
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Close();
        foreach (var container in _containers.Values)
        {
            container.Hash.Dispose();
        }

        _held?.Dispose();
    }

    private void BeginCheckpoint(string pod, string id, ArchiveEntry entry)
    {
        if (_held is not null)
        {
            if ((pod, id) != (_pod, _id))
            {
                throw Unexpected(entry);
            }

            return;
        }

        // Before the lock: a name that is none must not get that far.
        Named(() => store.FolderOf(pod, id, null), entry);
        (_pod, _id) = (pod, id);
        _held = StoreLock.Take(root, $"{pod}/{id}", exclusive: true);
        var marker = Path.Combine(Folder, CheckpointStore.Marker);
        _standing = Posix.Exists(marker) ? ManifestJson.ReadMarker(File.ReadAllBytes(marker), marker) : null;
    }

    private void BeginManifest(string container, ArchiveEntry entry)
    {
        var path = Path.Combine(Named(() => store.FolderOf(_pod, _id, container), entry), CheckpointStore.ManifestFile);
        Keep(entry, () =>
        {
            var manifest = ManifestJson.ReadManifest(_content, entry.Path);
            if ((manifest.PodUID, manifest.CheckpointID, manifest.Container) != (_pod, _id, container)
                || !_containers.TryAdd(container, new Imported(manifest, _content!)))
            {
                throw Unexpected(entry);
            }

            var stands = store.Find(_pod, _id, container) is not null;
            if (stands ? !File.ReadAllBytes(path).AsSpan().SequenceEqual(_content) : _standing is not null)
            {
                throw Different($"a {container} that differs");
            }

            _containers[container].New = !stands;
        });
    }

    private void BeginArtifact(Imported container, ArchiveEntry entry)
    {
        if (container.Complete || entry.Size != container.Manifest.CompressedSize)
        {
            throw new CorruptArtifactException(
                $"the file holds {entry.Path} with {entry.Size} bytes; its manifest says "
                    + $"{container.Manifest.CompressedSize}");
        }

        var folder = store.FolderOf(_pod, _id, container.Manifest.Container);
        var partial = Path.Combine(folder, CheckpointStore.Artifact + ".partial");
        _artifact = container;
        if (container.New)
        {
            store.MakeFolders(folder);
            _made.Add(partial);
            container.File = WholeFile.Open(partial, FileMode.Create);
            container.Output = new WriteBehind(container.File.SafeFileHandle, partial, drop: true);
        }

        _end = () =>
        {
            container.Output?.Finish();
            container.Close();
            var digest = Digest.Finish(container.Hash);
            if (digest != container.Manifest.CompressedDigest)
            {
                throw new CorruptArtifactException(
                    $"the file's {entry.Path} has the digest {digest}; its manifest says "
                        + $"{container.Manifest.CompressedDigest}");
            }

            if (container.New)
            {
                var path = Path.Combine(folder, CheckpointStore.Artifact);
                _made.Add(path);
                File.Move(partial, path, overwrite: true);
                Posix.SyncDirectory(folder);
            }

            container.Complete = true;
        };
    }

    private void Keep(ArchiveEntry entry, Action end)
    {
        (_content, _filled, _end) =
            (entry.Size <= LargestManifest ? new byte[entry.Size] : throw Unexpected(entry), 0, end);
    }

    private void Put(string path, byte[] content)
    {
        _made.Add(path);
        WholeFile.Write(path, content);
    }

    private void Close()
    {
        foreach (var container in _containers.Values)
        {
            container.Close();
        }
    }

    private IEnumerable<string> ParentsOf(string path)
    {
        for (var folder = Path.GetDirectoryName(path); folder is not null
            && folder.Length > root.Length; folder = Path.GetDirectoryName(folder))
        {
            yield return folder;
        }
    }

    private static string Named(Func<string> folder, ArchiveEntry entry)
    {
        try
        {
            return folder();
        }
        catch (ArgumentException exception)
        {
            throw new CorruptArtifactException($"the file holds \"{entry.Name}\": {exception.Message}", exception);
        }
    }

    private static CorruptArtifactException Unexpected(ArchiveEntry entry) =>
        new(
            $"the file holds \"{entry.Name}\" ({entry.Type}, {entry.Size} bytes), which no exported checkpoint does "
                + "at this place");

    private ArgumentException Different(string what) =>
        new(
            $"{_pod}/{_id} stands there already, with {what}: nothing was changed; remove it first if the file's is "
                + "to take its place");

    /// <summary>A container of the file.</summary>
    private sealed class Imported(ContainerManifest manifest, byte[] bytes)
    {
        public ContainerManifest Manifest { get; } = manifest;

        public byte[] ManifestBytes { get; } = bytes;

        public IncrementalHash Hash { get; } = Digest.Begin();

        public FileStream? File { get; set; }

        public WriteBehind? Output { get; set; }

        /// <summary>False where the same container stands in the store.</summary>
        public bool New { get; set; }

        /// <summary>Its artifact has gone by, and is what the manifest says.</summary>
        public bool Complete { get; set; }

        public void Close()
        {
            Output?.Dispose();
            File?.Dispose();
            (Output, File) = (null, null);
        }
    }
}
