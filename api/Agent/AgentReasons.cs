using Grpc.Core;

namespace PodCheckpointing.Api.Agent;

/// <summary>Why an agent refused or failed, in one CamelCase word beside the status code.</summary>
public static class AgentReasons
{
    /// <summary>The trailer that carries the reason.</summary>
    public const string ReasonTrailer = "podcheckpointing-reason";

    /// <summary>The agent's word, or the status code's name where it said none (it was not reached, or it is broken).</summary>
    public static string Of(RpcException exception) =>
        exception.Trailers.GetValue(ReasonTrailer) is { Length: > 0 } reason ? reason : exception.StatusCode.ToString();

    /// <summary>
    /// Whether the same call may succeed later without anybody's doing. Every call is idempotent by its key, so it may
    /// simply be repeated.
    /// </summary>
    public static bool IsTransient(RpcException exception) => exception.StatusCode is
        StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Aborted
        or StatusCode.Cancelled or StatusCode.ResourceExhausted;
}
