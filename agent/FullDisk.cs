using Grpc.Core;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Agent;

/// <summary>Tells a disk that is full from one that is away: the latter may come back by
/// itself, and is waited for.</summary>
internal static class FullDisk
{
    private const int NoSpace = 28;
    private const int QuotaExceeded = 122;

    /// <summary>What the operator is told, which does not try again; null where no disk is full.</summary>
    /// <param name="exception">What has failed.</param>
    /// <param name="options">Where this node's disks are.</param>
    public static RpcException? RefusalOf(Exception exception, AgentOptions options)
    {
        var full = Causes(exception).OfType<IOException>().FirstOrDefault(e => e.HResult is NoSpace or QuotaExceeded);
        if (full is null)
        {
            return null;
        }

        var (root, disk, remedy) = DiskOf(full.Message, options);
        var what = full.HResult == NoSpace ? "has no room left" : "has no quota left";
        return Refusal.Because(
            StatusCode.FailedPrecondition,
            Reasons.NotEnoughSpace,
            $"{disk} at {root} of node {options.NodeName} {what}{Left(root)}; {remedy} ({full.Message})",
            exception);
    }

    /// <summary>Whether somebody else's words are about it: kubelet's, the runtime's, CRIU's.</summary>
    public static bool IsMeantBy(string words) =>
        words.Contains("no space left on device", StringComparison.OrdinalIgnoreCase)
        || words.Contains("disk quota exceeded", StringComparison.OrdinalIgnoreCase);

    private static IEnumerable<Exception> Causes(Exception exception)
    {
        for (var cause = exception; cause is not null; cause = cause.InnerException)
        {
            yield return cause;
        }
    }

    // What .NET and the store say has the path in it.
    private static (string Root, string Disk, string Remedy) DiskOf(string message, AgentOptions options)
    {
        (string Root, string Disk, string Remedy) store = (
            options.StoreRoot, "the checkpoint volume",
            "delete PodCheckpoints that are not needed, set rules of retention, or enlarge it on its server (the "
                + "claim's size stays)");
        (string Root, string, string)[] all =
        [
            store,
            (options.KubeletDirectory, "the disk", "make room there, where kubelet writes its archives"),
            (options.StateRoot, "the disk", "make room there"),
        ];
        return all.Where(d => message.Contains(d.Root.TrimEnd('/') + "/", StringComparison.Ordinal))
            .OrderByDescending(d => d.Root.Length)
            .FirstOrDefault(
                message.Contains('/', StringComparison.Ordinal) ? ("/", "the disk", "make room there") : store);
    }

    // Nothing stays of what did not fit, so there may be some room again.
    private static string Left(string root)
    {
        try
        {
            var drive = new DriveInfo(root);
            return $": {Quantity.OfBytes(drive.AvailableFreeSpace)} of {Quantity.OfBytes(drive.TotalSize)} are free "
                + "without what did not fit";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
