using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Simulation;

/// <summary>How plays end, and how often at least: one that ends all its plays by
/// refusing them proves nothing.</summary>
internal static class Endings
{
    /// <summary>How many plays tell.</summary>
    public const int Enough = 2_000;

    /// <summary>Of a thousand plays.</summary>
    private static readonly Dictionary<string, int> Floors = new()
    {
        [Outcomes.Restored] = 100,
        [Outcomes.RolledBack] = 100,
        [Outcomes.Lost] = 15,
        [Outcomes.ColdStarted] = 2,
        [Outcomes.WouldMigrate] = 2,
        [Outcomes.WouldFail] = 1,
        ["crowd with 0 restored"] = 1,
        ["crowd with 3 restored"] = 10,
        ["crowd with 5 restored"] = 5,
        ["standalone with 0 restored"] = 20,
        ["standalone with 2 restored"] = 20,
    };

    /// <summary>What has come too seldom.</summary>
    public static IReadOnlyList<string> Missing(IReadOnlyDictionary<string, int> ends, int plays) =>
    [
        .. from floor in Floors
           let came = ends.GetValueOrDefault(floor.Key)
           let due = (int)((long)floor.Value * plays / 1000)
           where came < due
           select $"only {came} of {plays} plays ended as {floor.Key}, and {due} were expected: what they try has changed, or what they meet",
    ];
}
