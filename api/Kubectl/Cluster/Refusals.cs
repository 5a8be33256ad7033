using System.Net;
using k8s;

namespace PodCheckpointing.Kubectl.Cluster;

/// <summary>What a refusal means where the status code alone does not tell.</summary>
internal static class Refusals
{
    /// <summary>The server does not serve the kind: it was never installed, or not yet
    /// since the server's start.</summary>
    /// <remarks>Of an unknown group it says only "page not found", of an unknown kind in a known one more.</remarks>
    public static bool IsUnknownKind(this KubernetesException exception) =>
        exception.IsNotFound
        && (exception.Status.Reason is null
            || exception.Message.Contains("requested resource", StringComparison.Ordinal));

    /// <summary>The server does not take this object, and may take others: the user has no right to it there, a quota
    /// is used up, the namespace is going or gone, or a policy or a webhook has a word against it, with whatever code
    /// of those that blame the client.</summary>
    public static bool IsOfThisObject(this KubernetesException exception) =>
        (int)exception.Code is >= 400 and < 500
        && exception.Code is not (HttpStatusCode.Unauthorized or HttpStatusCode.TooManyRequests)
            && !exception.IsUnknownKind();
}
