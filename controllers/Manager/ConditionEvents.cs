using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager;

/// <summary>Conditions that have changed, told as events in the same words.</summary>
internal static class ConditionEvents
{
    // Says what is going on, not that something has happened.
    private static readonly string[] Quiet = [Reasons.Pending, Reasons.CheckpointInProgress, Reasons.WaitingForSlot];

    /// <summary>Records what is new in an object's conditions; called when they have been written.</summary>
    public static void RecordChanges(
        this IEventRecorder recorder,
        IKubernetesObject<V1ObjectMeta> about,
        IList<V1Condition>? before,
        IList<V1Condition>? after)
    {
        foreach (var condition in after ?? [])
        {
            var old = before.Find(condition.Type);
            if ((old?.Status == condition.Status && old.Reason == condition.Reason) || Quiet.Contains(condition.Reason))
            {
                continue;
            }

            if (old is null && condition is { Type: ConditionTypes.Stalled, Status: "False" })
            {
                continue;
            }

            // Two say something bad when they are True.
            var good = condition.Type switch
            {
                ConditionTypes.RolledBack => false,
                ConditionTypes.Stalled => condition.Status == "False",
                _ => condition.Status == "True",
            };
            recorder.Record(
                about,
                good ? "Normal" : "Warning",
                condition.Reason == Reasons.Succeeded ? condition.Type : condition.Reason,
                condition.Message ?? "");
        }
    }
}
