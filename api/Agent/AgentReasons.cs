using Grpc.Core;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Api.Agent;

/// <summary>Why an agent refused or failed, in one CamelCase word beside the status code.</summary>
public static class AgentReasons
{
    /// <summary>The trailer that carries the reason.</summary>
    public const string ReasonTrailer = "podcheckpointing-reason";

    /// <summary>The agent's word; where it said none, whether it did not answer or is broken.</summary>
    public static string Of(RpcException exception) =>
        exception.Trailers.GetValue(ReasonTrailer) is { Length: > 0 } reason ? reason
        : exception.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded ? Reasons.AgentUnavailable
        : Reasons.AgentFailed;

    /// <summary>
    /// Whether the same call may succeed later without anybody's doing. Every call is idempotent by its key, so it may
    /// simply be repeated.
    /// </summary>
    public static bool IsTransient(RpcException exception) => exception.StatusCode is not
        (StatusCode.FailedPrecondition or StatusCode.NotFound
            or StatusCode.InvalidArgument or StatusCode.PermissionDenied
            or StatusCode.AlreadyExists or StatusCode.DataLoss or StatusCode.Unimplemented);
}
