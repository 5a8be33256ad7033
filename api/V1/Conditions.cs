using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>Reads and changes lists of conditions.</summary>
public static class Conditions
{
    /// <summary>The condition of a type, or null.</summary>
    public static V1Condition? Find(this IEnumerable<V1Condition>? conditions, string type) =>
        conditions?.FirstOrDefault(c => c.Type == type);

    /// <summary>Whether the condition of a type is True.</summary>
    public static bool IsTrue(this IEnumerable<V1Condition>? conditions, string type) =>
        conditions.Find(type)?.Status == "True";

    /// <summary>The list with one condition set, in its place if it has one: where nothing has changed, nothing is to
    /// be written. Its transition time moves only when its status does.</summary>
    public static IList<V1Condition> With(
        this IEnumerable<V1Condition>? conditions,
        string type,
        string status,
        string reason,
        string message,
        long? generation,
        DateTime now)
    {
        var old = conditions.Find(type);
        var condition = new V1Condition
        {
            Type = type,
            Status = status,
            Reason = reason,
            Message = message,
            ObservedGeneration = generation,
            LastTransitionTime = old?.Status == status
                ? old.LastTransitionTime
                : new DateTime(now.Ticks - (now.Ticks % TimeSpan.TicksPerSecond), DateTimeKind.Utc),
        };
        return old is null
            ? [.. conditions ?? [], condition]
            : [.. conditions!.Select(c => c.Type == type ? condition : c)];
    }
}
