using k8s.Models;

namespace PodCheckpointing.Kubectl.Output;

/// <summary>Conditions as a table.</summary>
internal static class ConditionText
{
    public static TextTable Table(IEnumerable<V1Condition>? conditions, DateTime now)
    {
        var table = new TextTable("CONDITION", "STATUS", "REASON", "AGE", "MESSAGE");
        foreach (var condition in conditions ?? [])
        {
            table.Add(condition.Type, condition.Status, condition.Reason, Amounts.Age(
                condition.LastTransitionTime, now), condition.Message);
        }

        return table;
    }
}
