using k8s.Models;

namespace PodCheckpointing.Manager.Claims;

/// <summary>What the status of a kind of claim says, and how it is written where an attempt has failed.</summary>
internal interface IClaimReport<TStatus>
    where TStatus : class
{
    /// <summary>The status of a claim that waits: the attempt is made again.</summary>
    TStatus Waiting(string reason, string message);

    /// <summary>The status of a claim that has failed for good.</summary>
    TStatus Failed(string reason, string message);

    /// <summary>Whether there is nothing more to do: the claim is ready, or has failed.</summary>
    bool IsSettled(TStatus status);

    /// <summary>The conditions in a status.</summary>
    IList<V1Condition>? ConditionsOf(TStatus status);
}
