using Grpc.Core;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Agent;

/// <summary>The checkpoint volume when it cannot be read or written: it may come back, and is asked again.</summary>
internal static class AbsentVolume
{
    /// <summary>Whether it is what a call to the volume has failed by.</summary>
    public static bool IsMeantBy(Exception exception) =>
        exception is IOException or UnauthorizedAccessException or TimeoutException;

    /// <summary>What the operator is told, which tries again.</summary>
    /// <param name="exception">What has failed.</param>
    /// <param name="options">Where the volume is.</param>
    public static RpcException RefusalOf(Exception exception, AgentOptions options) => Refusal.Because(
        StatusCode.Unavailable,
        Reasons.StoreUnavailable,
        $"cannot access the checkpoint volume at {options.StoreRoot} of node {options.NodeName}: {exception.Message}",
        exception);
}
