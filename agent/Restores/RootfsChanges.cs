using System.Text;
using System.Text.Json;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Archives;

namespace PodCheckpointing.Agent.Restores;

/// <summary>What a container had changed in its image, as the handler needs it: it applies this while the pod stands still.</summary>
/// <remarks>containerd archives an OCI layer, which says what is gone by whiteouts; CRI-O a plain tar and a JSON list of paths.</remarks>
internal static class RootfsChanges
{
    /// <summary>The tar of what is to be made; absent where there is nothing.</summary>
    public const string Tar = "rootfs-diff.tar";

    /// <summary>The folders that it is made in, one a line: none of them may be a link in the container's root.</summary>
    public const string Folders = "rootfs-folders";

    /// <summary>What is to be deleted before, one a line.</summary>
    public const string Gone = "rootfs-gone";

    /// <summary>CRI-O's list.</summary>
    private const string Deleted = "deleted.files";

    /// <summary>Files that the runtime mounts into every container: what a checkpoint says of them is of the other node.</summary>
    private static readonly HashSet<string> Mounted = ["etc/hostname", "etc/hosts", "etc/resolv.conf"];

    /// <summary>Prepares what was extracted into a folder.</summary>
    /// <exception cref="CorruptArtifactException">It is not what runtimes write, leads outside, or no shell can take its names.</exception>
    /// <exception cref="IOException">The disk fails.</exception>
    public static void Prepare(string folder)
    {
        var changes = Unpack(Path.Combine(folder, Tar));
        Write(Path.Combine(folder, Folders), changes.Folders);
        Write(Path.Combine(folder, Gone), [.. changes.Gone, .. DeletedIn(Path.Combine(folder, Deleted))]);
    }

    private static LayerChanges Unpack(string path)
    {
        if (!File.Exists(path) || new FileInfo(path).Length == 0)
        {
            return new LayerChanges([], [], IsEmpty: true);
        }

        var plain = path + ".plain";
        LayerChanges changes;
        try
        {
            using var layer = File.OpenRead(path);
            using var tar = File.Create(plain);
            changes = LayerChanges.Unpack(layer, tar, Mounted);
        }
        catch (CorruptArtifactException exception)
        {
            throw new CorruptArtifactException($"the rootfs diff cannot be read: {exception.Message}", exception);
        }

        File.Move(plain, path, overwrite: true);
        if (changes.IsEmpty)
        {
            File.Delete(path);
        }

        return changes;
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
            var names = JsonSerializer.Deserialize<List<string>>(json) ?? [];
            return names.Any(name => name.Contains('\n') || name.Contains('\0'))
                ? throw new CorruptArtifactException("the list of deleted files holds a name that no shell can take")
                : names.Select(name => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(name)));
        }
        catch (JsonException exception)
        {
            throw new CorruptArtifactException($"the list of deleted files cannot be read: {exception.Message}", exception);
        }
    }

    private static void Write(string path, IEnumerable<string> lines)
    {
        using var writer = new StreamWriter(path, append: false, Encoding.Latin1) { NewLine = "\n" };
        foreach (var line in lines)
        {
            writer.WriteLine(line);
        }
    }
}
