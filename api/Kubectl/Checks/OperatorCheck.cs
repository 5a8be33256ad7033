using System.Text.RegularExpressions;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Checks;

/// <summary>What the operator says of a dry run, by its reason words.</summary>
internal static partial class OperatorCheck
{
    public static IEnumerable<Finding> Of(PodMigration dryRun)
    {
        var (status, verdict) =
            (dryRun.Status!, dryRun.Status!.Conditions?.FirstOrDefault(
                condition => condition.Type == ConditionTypes.Ready));
        var message = verdict?.Message ?? status.Message ?? "";
        if (status.Outcome == Outcomes.WouldMigrate)
        {
            return [new Finding("operator", Verdict.Ok, message)];
        }

        // Where there are several, each word stands before its own.
        var words = Word().Matches(message).Where(match => Remedies.Find(match.Groups[1].Value) is not null).ToList();
        return words is [{ Index: 0 }, ..]
            ? words.Select((word, i) => new Finding(
                word.Groups[1].Value, Verdict.No,
                message[(word.Index + word.Length)..(i + 1 < words.Count ? words[i + 1].Index : message.Length)]))
            : [new Finding(verdict?.Reason ?? "operator", Verdict.No, message)];
    }

    [GeneratedRegex("(?:^|; )([A-Z][A-Za-z]+): ")]
    private static partial Regex Word();
}
