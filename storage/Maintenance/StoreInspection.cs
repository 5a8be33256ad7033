namespace PodCheckpointing.Storage.Maintenance;

/// <summary>Looks at a whole store; changes nothing except by <see cref="QuarantineAsync"/>.</summary>
/// <param name="root">The store's folder.</param>
/// <param name="time">The clock of quarantine's reasons.</param>
public sealed class StoreInspection(string root, TimeProvider time)
{
    private const string Quarantined = ".quarantine.";
    private const string Reason = ".quarantine-reason";
    private readonly CheckpointStore _store = new(root, time);

    /// <summary>Every checkpoint, complete or not, in the order of their names; without those
    /// that are removed meanwhile.</summary>
    public IEnumerable<StoredCheckpoint> List() =>
        Folders(root).SelectMany(pod => Seen(() => Folders(pod).ToList()) ?? [])
            .Select(folder => Seen(
                () => Describe(Path.GetFileName(Path.GetDirectoryName(folder)!), Path.GetFileName(folder))))
            .OfType<StoredCheckpoint>();

    /// <summary>One checkpoint, or null.</summary>
    /// <exception cref="ArgumentException">A part of the name is not valid.</exception>
    public StoredCheckpoint? Find(string podUid, string checkpointId) =>
        Posix.Exists(_store.FolderOf(podUid, checkpointId, null)) ? Describe(podUid, checkpointId) : null;

    /// <summary>Compares marker, manifests and every byte of a checkpoint. Nothing is found in a
    /// checkpoint that is whole.</summary>
    public async Task<IReadOnlyList<Finding>> CheckAsync(
        StoredCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        var findings = new List<Finding>();
        var name = checkpoint.ToString();
        var folder = Path.Combine(root, name);
        foreach (var partial in Directory.EnumerateFiles(folder, "*.partial", SearchOption.AllDirectories))
        {
            findings.Add(new Finding(
                Path.GetRelativePath(root, partial), "is being written, or was left by a dead writer", Broken: false));
        }

        if (!checkpoint.Complete)
        {
            findings.Add(new Finding(name, "has no marker: it is being written, or was given up", Broken: false));
            return findings;
        }

        try
        {
            var path = Path.Combine(folder, CheckpointStore.Marker);
            var marker = ManifestJson.ReadMarker(
                await File.ReadAllBytesAsync(path, cancellationToken).ConfigureAwait(false), path);
            foreach (var container in marker.Manifests.Keys)
            {
                await CheckAsync(checkpoint, container, findings, cancellationToken).ConfigureAwait(false);
            }

            findings.AddRange(Containers(folder).Except(marker.Manifests.Keys, StringComparer.Ordinal)
                .Select(extra => new Finding($"{name}/{extra}", "is not named by the marker", Broken: false)));
        }
        catch (Exception exception) when (IsDamage(exception))
        {
            findings.Add(new Finding($"{name}/{CheckpointStore.Marker}", exception.Message, Broken: true));
        }

        return findings;
    }

    /// <summary>Moves a checkpoint that is still broken out of the way, with the reason in it.</summary>
    /// <remarks>
    /// A rename within the pod's folder, which NFS does at once and without harm to those who still read. It is checked
    /// again under the lock: it may have been removed and written anew since it was found broken.
    /// </remarks>
    /// <returns>Where it lies now; null when it is gone, or whole.</returns>
    /// <exception cref="IOException">Somebody writes it, or the volume fails.</exception>
    public async Task<string?> QuarantineAsync(StoredCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        using var held = StoreLock.Take(root, checkpoint.ToString(), exclusive: true);
        if (Find(checkpoint.PodUID, checkpoint.CheckpointID) is not { } now)
        {
            return null;
        }

        var findings = await CheckAsync(now, cancellationToken).ConfigureAwait(false);
        if (!findings.Any(finding => finding.Broken))
        {
            return null;
        }

        var source = _store.FolderOf(checkpoint.PodUID, checkpoint.CheckpointID, null);
        var pod = Path.GetDirectoryName(source)!;
        // The reason first: nothing lies there that nobody can explain.
        var reason = string.Concat(findings.Select(finding => $"{finding.Path}: {finding.Problem}\n"));
        WholeFile.Write(Path.Combine(source, Reason), System.Text.Encoding.UTF8.GetBytes(reason));
        var stamp = time.GetUtcNow().UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", null);
        var target = Path.Combine(pod, $"{Quarantined}{checkpoint.CheckpointID}.{stamp}.{Guid.NewGuid():n}");
        Directory.Move(source, target);
        Posix.SyncDirectory(pod);
        return target;
    }

    /// <summary>What was moved out of the way, and the first line of why.</summary>
    public IEnumerable<(string Path, long Bytes, string Reason)> ListQuarantined() =>
        Folders(root)
            .SelectMany(pod => Directory.EnumerateDirectories(pod, Quarantined + "*"))
            .Order(StringComparer.Ordinal)
            .Select(path => (
            Path.GetRelativePath(root, path),
            new DirectoryInfo(path).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length),
            File.ReadLines(Path.Combine(path, Reason)).FirstOrDefault() ?? ""));

    // What an artifact can make its reader say. A volume that fails (EIO, ESTALE) is no
    // proof of damage: it must pass through.
    private static bool IsDamage(Exception exception) =>
        exception is CorruptArtifactException or ArgumentException
            or FileNotFoundException or DirectoryNotFoundException;

    /// <summary>What is found; null where it has gone before all of it was seen.</summary>
    private static T? Seen<T>(Func<T> look)
        where T : class
    {
        try
        {
            return look();
        }
        catch (Exception exception) when (exception is DirectoryNotFoundException or FileNotFoundException)
        {
            return null;
        }
    }

    private static IEnumerable<string> Folders(string folder) => Directory.EnumerateDirectories(folder)
        .Where(path => !Path.GetFileName(path).StartsWith('.')).Order(StringComparer.Ordinal);

    private static IEnumerable<string> Containers(string folder)
    {
        var volumes = Path.Combine(folder, CheckpointStore.VolumesFolder);
        return Folders(folder).Select(path => Path.GetFileName(path)).Concat(
            Posix.Exists(volumes)
                ? Folders(volumes).Select(path => $"{CheckpointStore.VolumesFolder}/{Path.GetFileName(path)}")
                : []);
    }

    private async Task CheckAsync(
        StoredCheckpoint checkpoint, string container, List<Finding> findings, CancellationToken cancellationToken)
    {
        try
        {
            var manifest = _store.FindSealed(checkpoint.PodUID, checkpoint.CheckpointID, container);
            if ((manifest.PodUID, manifest.CheckpointID, manifest.Container)
                != (checkpoint.PodUID, checkpoint.CheckpointID, container))
            {
                throw new CorruptArtifactException(
                    $"its manifest is one of {manifest.PodUID}/{manifest.CheckpointID}/{manifest.Container}");
            }

            await _store.Read(manifest).VerifyAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (IsDamage(exception))
        {
            findings.Add(new Finding($"{checkpoint}/{container}", exception.Message, Broken: true));
        }
    }

    private StoredCheckpoint Describe(string podUid, string checkpointId)
    {
        var folder = Path.Combine(root, podUid, checkpointId);
        var files = Images.CheckpointImages.FilesBelow(folder).ToList();
        var manifests = new List<ContainerManifest>();
        foreach (var path in Containers(folder)
            .Select(c => Path.Combine(folder, c, CheckpointStore.ManifestFile))
            .Where(Posix.Exists))
        {
            try
            {
                manifests.Add(ManifestJson.ReadManifest(File.ReadAllBytes(path), path));
            }
            catch (CorruptArtifactException)
            {
                // A list shows what it can read; the check names what it cannot.
            }
        }

        return new StoredCheckpoint(
            podUid,
            checkpointId,
            Posix.Exists(Path.Combine(folder, CheckpointStore.Marker)),
            files.Sum(file => file.Length),
            files.Select(file => file.LastWriteTimeUtc).Append(Directory.GetLastWriteTimeUtc(folder)).Max(),
            manifests);
    }
}
