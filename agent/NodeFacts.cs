using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using PodCheckpointing.Agent.Processes;

namespace PodCheckpointing.Agent;

/// <summary>What runs on this node, asked once at the start.</summary>
internal sealed partial class NodeFacts
{
    public const string Runtime = "crun";

    /// <summary>Asked once, and on a node that may have just booted.</summary>
    private static readonly TimeSpan CommandTimeout = TimeSpan.FromMinutes(1);

    private readonly (string Version, string Message) _crun;

    private NodeFacts(string crun, string? selfContained, string criu)
    {
        _crun = Crun(crun, selfContained);
        CriuVersion = VersionOfCriu().Match(criu) is { Success: true } match ? match.Groups[1].Value : "";
    }

    /// <summary>Asks the programs.</summary>
    public static async Task<NodeFacts> AskAsync(AgentOptions options)
    {
        // The restore handler hands the question on to the crun that it restores with.
        string[] handler = [.. options.Images.NodeCommand, options.RestoreHandler];
        var path = (await OutputOfAsync([.. handler, "--which-crun"])).Trim();
        return new NodeFacts(
            await OutputOfAsync([.. handler, "--version"]),
            IsStatic(Path.Join(options.NodeRoot, path)) ? path : null,
            await OutputOfAsync(["criu", "--version"]));
    }

    public string RuntimeVersion => _crun.Version;

    /// <summary>Why crun cannot checkpoint; empty where it can.</summary>
    public string RuntimeMessage => _crun.Message;

    public string CriuVersion { get; }

    public string KernelVersion { get; } = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();

    /// <summary>As Kubernetes names it.</summary>
    public string Architecture { get; } = RuntimeInformation.OSArchitecture switch
    {
        System.Runtime.InteropServices.Architecture.X64 => "amd64",
        var other => other.ToString().ToLowerInvariant(),
    };

    public string CpuModel { get; } = FromCpuInfo("model name");

    /// <summary>The maker; empty where the kernel does not name it.</summary>
    public string CpuVendor { get; } = FromCpuInfo("vendor_id") is { Length: > 0 } maker
        ? maker
        : FromCpuInfo("CPU implementer");

    public IReadOnlyList<string> CpuFeatures { get; } =
        [.. (FromCpuInfo("flags") is { Length: > 0 } flags ? flags : FromCpuInfo("Features")).Split(
            ' ', StringSplitOptions.RemoveEmptyEntries)];

    // All cores of a node are alike enough: the first one speaks for them.
    private static string FromCpuInfo(string key) =>
        File.ReadLines("/proc/cpuinfo").Select(line => line.Split(':', 2))
            .FirstOrDefault(pair => pair.Length == 2 && pair[0].Trim() == key)?[1].Trim() ?? "";

    /// <summary>What crun shows: its version, and what it lacks.</summary>
    /// <param name="said">Its answer to --version.</param>
    /// <param name="selfContained">Where it is, if it is linked statically.</param>
    internal static (string Version, string Message) Crun(string said, string? selfContained = null) =>
        VersionOfCrun().Match(said) switch
        {
            { Success: false } => (
                "",
                $"crun does not tell its version{(said.Length > 0 ? ": " : "")}{said.Trim()}; "
                + "install it, and restart the node's agent"),
            var match when !said.Contains("+CRIU", StringComparison.Ordinal) => (
                match.Groups[1].Value,
                $"crun {match.Groups[1].Value} is built without CRIU (crun --version shows no +CRIU); "
                + "install one that is, and restart the node's agent"),
            var match when selfContained is not null => (
                match.Groups[1].Value,
                $"{selfContained} is linked statically: the libcriu that it brings reads no file of options; "
                + "put crun 1.26 or newer there that loads the node's libcriu (config/crio), and restart the node's "
                + "agent"),
            var match => (match.Groups[1].Value, ""),
        };

    private static bool IsStatic(string program)
    {
        try
        {
            using var file = File.OpenRead(program);
            return ElfHead.IsStatic(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Not there, which its version shows better, or kept from us.
            return false;
        }
    }

    private static async Task<string> OutputOfAsync(string[] command)
    {
        try
        {
            var said = await NodeProcess.RunAsync(command, feed: null, CommandTimeout, CancellationToken.None);
            return said.Output + said.Errors;
        }
        catch (Exception exception) when (exception is IOException or TimeoutException)
        {
            // Not on this node, or in no state to answer.
            return exception.Message;
        }
    }

    [GeneratedRegex(@"crun version (\S+)")]
    private static partial Regex VersionOfCrun();

    [GeneratedRegex(@"Version: (\S+)")]
    private static partial Regex VersionOfCriu();
}
