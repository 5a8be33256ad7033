namespace PodCheckpointing.Api.V1;

/// <summary>What stands in the way of a migration, or keeps it from going on.</summary>
/// <param name="Reason">A word of <see cref="Reasons"/>.</param>
/// <param name="Message">What it is, and what to do about it.</param>
public record Obstacle(string Reason, string Message)
{
    /// <summary>All that was found, for people. Where there are several words, each is said: a condition has room for
    /// one.</summary>
    public static string Tell(IEnumerable<Obstacle> found)
    {
        var groups = found.GroupBy(obstacle => obstacle.Reason, obstacle => obstacle.Message).ToList();
        return string.Join(
            "; ", groups.Select(g => (groups.Count > 1 ? g.Key + ": " : "") + string.Join("; ", g.Distinct())));
    }
}
