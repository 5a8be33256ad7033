using System.Collections.Frozen;
using System.Reflection;

namespace PodCheckpointing.Kubectl.Output;

/// <summary>What each reason word means and what to do: the generated page of reasons, carried along.</summary>
internal static class Remedies
{
    private const string NothingToDo = "Nothing to do.";

    // Read when somebody needs it: most commands do not.
    private static readonly Lazy<FrozenDictionary<string, (string Meaning, string Remedy)>> Page = new(Read);

    /// <summary>Every reason, in the page's order.</summary>
    public static IEnumerable<string> Reasons => Page.Value.Keys.Order(StringComparer.Ordinal);

    /// <summary>What a reason means and what to do; null for a word that this version does not know.</summary>
    public static (string Meaning, string Remedy)? Find(string reason) =>
        Page.Value.TryGetValue(reason, out var found) ? found : null;

    /// <summary>What to do about a reason; nothing when there is nothing to do.</summary>
    public static string Of(string? reason) =>
        reason is not null
            && Find(reason) is { } found
            && !found.Remedy.StartsWith(NothingToDo, StringComparison.Ordinal) ? found.Remedy : "";

    private static FrozenDictionary<string, (string Meaning, string Remedy)> Read()
    {
        using var reader = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream("reasons.md")!);
        var found = new Dictionary<string, (string, string)>();
        var isTable = false;
        while (reader.ReadLine() is { } line)
        {
            // The page has more tables; this one has a third column.
            isTable = line.StartsWith("| reason | meaning | what to do |", StringComparison.Ordinal)
                || (isTable && line.StartsWith('|'));
            if (isTable && line.StartsWith("| `", StringComparison.Ordinal) && line.Trim('|', ' ')
                .Split(" | ") is { Length: 3 } cells)
            {
                found[cells[0].Trim('`')] = (cells[1], cells[2].Trim());
            }
        }

        return found.ToFrozenDictionary();
    }
}
