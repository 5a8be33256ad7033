using System.Text;
using System.Text.Json;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Archives;

namespace PodCheckpointing.Agent.Restores;

/// <summary>What a container had changed in its image, as the handler needs it: it applies this
/// while the pod stands still.</summary>
/// <remarks>containerd archives an OCI layer, which says what is gone by whiteouts; CRI-O a plain tar
/// and a JSON list of paths.</remarks>
internal static class RootfsChanges
{
    /// <summary>The tar of what is to be made; absent where there is nothing.</summary>
    public const string Tar = "rootfs-diff.tar";

    /// <summary>The folders that it is made in, one a line: none of them may be a link in the container's root, unless
    /// it is made by the tar itself (<see cref="LayerChanges.Folders"/>).</summary>
    public const string Folders = "rootfs-folders";

    /// <summary>What is to be deleted before, one a line.</summary>
    public const string Gone = "rootfs-gone";

    /// <summary>What is made that is no folder, one a line: a folder of the image in its place goes.</summary>
    public const string Others = "rootfs-others";

    /// <summary>CRI-O's list.</summary>
    private const string Deleted = "deleted.files";

    /// <summary>Files that the runtime mounts into every container: what a checkpoint says of
    /// them is of the other node.</summary>
    private static readonly HashSet<string> Mounted = ["etc/hostname", "etc/hosts", "etc/resolv.conf"];

    /// <summary>Prepares what was extracted into a folder.</summary>
    /// <exception cref="CorruptArtifactException">It is not what runtimes write, leads outside, or no
    /// shell can take its names.</exception>
    /// <exception cref="IOException">The disk fails.</exception>
    public static void Prepare(string folder)
    {
        var changes = Unpack(Path.Combine(folder, Tar));
        Write(Path.Combine(folder, Folders), changes.Folders);
        Write(Path.Combine(folder, Others), changes.Others);
        Write(Path.Combine(folder, Gone), [.. changes.Gone, .. DeletedIn(Path.Combine(folder, Deleted))]);
    }

    private static LayerChanges Unpack(string path)
    {
        if (!File.Exists(path) || new FileInfo(path).Length == 0)
        {
            return new LayerChanges([], [], []);
        }

        var plain = path + ".plain";
        try
        {
            LayerChanges changes;
            using (var layer = File.OpenRead(path))
            using (var tar = File.Create(plain))
            {
                // Room for what else the node does.
                changes = LayerChanges.Unpack(layer, tar, Mounted, new DriveInfo(path).AvailableFreeSpace / 2);
            }

            if (changes is { Folders.Count: 0, Others.Count: 0 })
            {
                File.Delete(path);
            }
            else
            {
                File.Move(plain, path, overwrite: true);
            }

            return changes;
        }
        catch (CorruptArtifactException exception)
        {
            throw new CorruptArtifactException($"the rootfs diff cannot be read: {exception.Message}", exception);
        }
        catch (IOException exception)
        {
            throw new IOException($"{path}: {exception.Message}", exception.HResult);
        }
        finally
        {
            File.Delete(plain);
        }
    }

    private static IEnumerable<string> DeletedIn(string path)
    {
        if (!File.Exists(path) || new FileInfo(path).Length == 0)
        {
            return [];
        }

        try
        {
            using var json = File.OpenRead(path);
            return [.. (JsonSerializer.Deserialize<List<string?>>(json) ?? []).Select(PathOf)];
        }
        catch (JsonException exception)
        {
            throw new CorruptArtifactException(
                $"the list of deleted files cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>Without slashes at its ends: behind one, rm follows a link.</summary>
    private static string PathOf(string? name) =>
        name?.Trim('/') is { Length: > 0 } path
            && !path.Contains('\n')
            && !path.Contains('\0')
            && !path.Split('/').Any(p => p is "." or "..")
            ? Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(path))
            : throw new CorruptArtifactException(
                $"the list of deleted files holds \"{name?.ReplaceLineEndings(" ")}\", which is no path below the "
                    + "root");

    private static void Write(string path, IEnumerable<string> lines)
    {
        using var writer = new StreamWriter(path, append: false, Encoding.Latin1) { NewLine = "\n" };
        foreach (var line in lines)
        {
            writer.WriteLine(line);
        }
    }
}
