using PodCheckpointing.Agent.Processes;

namespace PodCheckpointing.Agent.Fences;

/// <summary>Whether this node's runtime runs the fence hook. Its file alone says nothing: containerd reads no folder of
/// hooks, and CRI-O only those that it is told of.</summary>
internal static class HookStamp
{
    /// <summary>Shows the hook what the runtime makes anew when it starts: a stamp that is older is left
    /// again.</summary>
    public static void Follow(AgentOptions options)
    {
        if (new FileInfo(options.RuntimeSocketLink).LinkTarget != options.RuntimeSocket)
        {
            File.Delete(options.RuntimeSocketLink);
            File.CreateSymbolicLink(options.RuntimeSocketLink, options.RuntimeSocket);
        }
    }

    /// <summary>Whether the hook has run since the node booted, and the runtime was started last: it may have been told
    /// of other hooks before that. The hook leaves the boot that it runs in, at the latest when the runtime creates the
    /// agent's own container.</summary>
    public static bool IsFresh(AgentOptions options)
    {
        try
        {
            // Some shells, by which the hook decides, compare whole seconds.
            return File.ReadAllText(options.HookStamp).Trim() == ProcessIdentity.ThisBoot()
                && WrittenAt(options.HookStamp) >= WrittenAt(options.RuntimeSocket);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
    }

    private static long WrittenAt(string path) =>
        new DateTimeOffset(File.GetLastWriteTimeUtc(path)).ToUnixTimeSeconds();
}
