using Grpc.Core;
using PodCheckpointing.Api.Agent;

namespace PodCheckpointing.Agent;

/// <summary>Makes the exceptions that reach the operator: a status code, a reason word, and what to do.</summary>
internal static class Refusal
{
    public static RpcException Because(StatusCode code, string reason, string message, Exception? inner = null) =>
        new(new Status(code, message), new Metadata { { AgentReasons.ReasonTrailer, reason } }, inner);
}
