using System.Globalization;

namespace PodCheckpointing.Agent.Processes;

/// <summary>What the kernel tells about a process (proc(5)). One that has gone, or goes while it is
/// looked at, has nothing to tell.</summary>
internal static class Proc
{
    /// <summary>A file of a process; null where it has gone.</summary>
    /// <exception cref="UnauthorizedAccessException">A security module keeps it from us.</exception>
    public static string? Text(int pid, string name)
    {
        try
        {
            return File.ReadAllText(PathOf(pid, name));
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>The lines of a file of a process; none where it has gone.</summary>
    /// <exception cref="UnauthorizedAccessException">A security module keeps it from us.</exception>
    public static string[] Lines(int pid, string name)
    {
        try
        {
            return File.ReadAllLines(PathOf(pid, name));
        }
        catch (IOException)
        {
            return [];
        }
    }

    /// <summary>What a process has open; nothing where it has gone.</summary>
    /// <exception cref="UnauthorizedAccessException">A security module keeps it from us.</exception>
    public static List<OpenDescriptor> Descriptors(int pid)
    {
        try
        {
            return
            [
                .. new DirectoryInfo(PathOf(pid, "fd")).EnumerateFileSystemInfos()
                    .Select(f => new OpenDescriptor(
                        int.Parse(f.Name, CultureInfo.InvariantCulture), f.FullName, f.LinkTarget ?? "")),
            ];
        }
        catch (IOException)
        {
            return [];
        }
    }

    /// <summary>What a process has open; nothing also where a security module keeps it from us: CRIU, which is among
    /// the node's programs, will tell.</summary>
    public static List<OpenDescriptor> ReadableDescriptors(int pid)
    {
        try
        {
            return Descriptors(pid);
        }
        catch (UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>The numbers by which a folder's entries are called; none where it has gone.</summary>
    public static List<int> Numbers(string folder)
    {
        try
        {
            return
            [
                .. Directory.EnumerateDirectories(folder)
                    .Select(f => int.TryParse(
                        Path.GetFileName(f), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                        ? number
                        : 0)
                    .Where(number => number > 0),
            ];
        }
        catch (IOException)
        {
            return [];
        }
    }

    public static string PathOf(int pid, string name) =>
        string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/{name}");
}

/// <summary>A descriptor that a process has open.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Path">Where it is found.</param>
/// <param name="Target">What it leads to; empty where it has been closed meanwhile.</param>
internal readonly record struct OpenDescriptor(int Number, string Path, string Target)
{
    private const string OfSocket = "socket:[";

    /// <summary>The inode of a socket, of whatever kind; null of anything else.</summary>
    public long? Socket =>
        Target.StartsWith(OfSocket, StringComparison.Ordinal)
            ? long.Parse(Target[OfSocket.Length..^1], CultureInfo.InvariantCulture)
            : null;
}
