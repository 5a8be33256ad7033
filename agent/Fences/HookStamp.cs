using PodCheckpointing.Agent.Processes;

namespace PodCheckpointing.Agent.Fences;

/// <summary>Whether this node's runtime runs the fence hook. Its file alone says nothing: containerd reads no folder of
/// hooks, and CRI-O only those that it is told of.</summary>
internal static class HookStamp
{
    /// <summary>The hook leaves the boot that it runs in, at the latest when the runtime creates
    /// the agent's own container.</summary>
    public static bool IsOfThisBoot(string stamp)
    {
        try
        {
            return File.ReadAllText(stamp).Trim() == ProcessIdentity.ThisBoot();
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
    }
}
