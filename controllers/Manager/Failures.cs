using System.Net;
using k8s;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager;

/// <summary>Which failures another attempt cannot mend.</summary>
internal static class Failures
{
    /// <summary>The reason of a failure that would come again; null of one that may pass.</summary>
    public static string? TerminalReasonOf(Exception exception) => exception switch
    {
        TerminalException terminal => terminal.Reason,
        AgentException { IsTerminal: true } agent => agent.Reason,
        KubernetesException refused when refused.IsRefusal() => Reasons.RequestRefused,
        _ => null,
    };

    /// <summary>Whether the API server understood, and will not: by a quota, an admission webhook or policy, a rule of
    /// the kind, or for want of rights.</summary>
    public static bool IsRefusal(this KubernetesException exception) =>
        exception.Code is HttpStatusCode.BadRequest or HttpStatusCode.Forbidden or HttpStatusCode.UnprocessableEntity;
}
