using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Images;

namespace PodCheckpointing.Agent;

/// <summary>What runs on this node, asked once at the start.</summary>
internal sealed partial class NodeFacts(IOptions<AgentOptions> options, IOptions<ImageOptions> images)
{
    // The restore handler hands the question on to the crun that it restores with.
    private readonly (string Version, string Message) _crun =
        Crun(Said([.. images.Value.NodeCommand, options.Value.RestoreHandler, "--version"]));

    public const string Runtime = "crun";

    public string RuntimeVersion => _crun.Version;

    /// <summary>Why crun cannot checkpoint; empty where it can.</summary>
    public string RuntimeMessage => _crun.Message;

    public string CriuVersion { get; } = VersionOfCriu().Match(Said(["criu", "--version"])) is { Success: true } match ? match.Groups[1].Value : "";

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

    /// <summary>What crun's answer to --version shows: its version, and what it lacks.</summary>
    internal static (string Version, string Message) Crun(string said) => VersionOfCrun().Match(said) switch
    {
        { Success: false } => ("", $"crun does not tell its version{(said.Length > 0 ? ": " : "")}{said.Trim()}; install it, and restart the node's agent"),
        var match when !said.Contains("+CRIU", StringComparison.Ordinal) => (
            match.Groups[1].Value,
            $"crun {match.Groups[1].Value} is built without CRIU (crun --version shows no +CRIU); install one that is, and restart the node's agent"),
        var match => (match.Groups[1].Value, ""),
    };

    private static string Said(string[] command)
    {
        try
        {
            using var process = Process.Start(
                new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var errors = process.StandardError.ReadToEndAsync();
            var said = process.StandardOutput.ReadToEnd() + errors.Result;
            process.WaitForExit();
            return said;
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            // Not on this node.
            return exception.Message;
        }
    }

    [GeneratedRegex(@"crun version (\S+)")]
    private static partial Regex VersionOfCrun();

    [GeneratedRegex(@"Version: (\S+)")]
    private static partial Regex VersionOfCriu();
}
