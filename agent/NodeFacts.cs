using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace PodCheckpointing.Agent;

/// <summary>What runs on this node, asked once at the start.</summary>
internal sealed partial class NodeFacts
{
    public string Runtime { get; } = "crun";

    public string RuntimeVersion { get; } = Version("crun", VersionOfCrun());

    public string CriuVersion { get; } = Version("criu", VersionOfCriu());

    public string KernelVersion { get; } = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();

    /// <summary>As Kubernetes names it.</summary>
    public string Architecture { get; } = RuntimeInformation.OSArchitecture switch
    {
        System.Runtime.InteropServices.Architecture.X64 => "amd64",
        var other => other.ToString().ToLowerInvariant(),
    };

    public string CpuModel { get; } = FromCpuInfo("model name");

    /// <summary>The maker; empty where the kernel does not name it.</summary>
    public string CpuVendor { get; } = FromCpuInfo("vendor_id") is { Length: > 0 } maker ? maker : FromCpuInfo("CPU implementer");

    public IReadOnlyList<string> CpuFeatures { get; } =
        [.. (FromCpuInfo("flags") is { Length: > 0 } flags ? flags : FromCpuInfo("Features")).Split(' ', StringSplitOptions.RemoveEmptyEntries)];

    // All cores of a node are alike enough: the first one speaks for them.
    private static string FromCpuInfo(string key) =>
        File.ReadLines("/proc/cpuinfo").Select(line => line.Split(':', 2))
            .FirstOrDefault(pair => pair.Length == 2 && pair[0].Trim() == key)?[1].Trim() ?? "";

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
