using System.Diagnostics;
using System.Text.RegularExpressions;

namespace PodCheckpointing.Agent;

/// <summary>What runs on this node, asked once at the start.</summary>
internal sealed partial class NodeFacts
{
    public string Runtime { get; } = "crun";

    public string RuntimeVersion { get; } = Version("crun", VersionOfCrun());

    public string CriuVersion { get; } = Version("criu", VersionOfCriu());

    public string KernelVersion { get; } = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();

    private static string Version(string program, Regex pattern)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, "--version") { RedirectStandardOutput = true })!;
            var match = pattern.Match(process.StandardOutput.ReadToEnd());
            process.WaitForExit();
            return match.Success ? match.Groups[1].Value : "";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // Not on this node: an empty version says so.
            return "";
        }
    }

    [GeneratedRegex(@"crun version (\S+)")]
    private static partial Regex VersionOfCrun();

    [GeneratedRegex(@"Version: (\S+)")]
    private static partial Regex VersionOfCriu();
}
