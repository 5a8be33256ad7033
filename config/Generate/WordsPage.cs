using System.Reflection;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Generate;

/// <summary>The page of words: reasons with their remedy, conditions, and what else has a fixed spelling.</summary>
internal static class WordsPage
{
    /// <summary>The page's text.</summary>
    public static string Text(Documentation documentation) => $"""
        # Reasons, conditions and other words

        `kubectl describe` shows them in conditions and events; an event about a condition that came about has the condition's
        type as its reason.

        ## Reasons

        {Markdown.Table(["reason", "meaning", "what to do"], Words(typeof(Reasons)).OrderBy(word => word.Name, StringComparer.Ordinal)
            .Select(word => new[]
            {
                Markdown.Code(Value(word)), Markdown.Cell(documentation.Summary(word)), Markdown.Cell(documentation.Remarks(word)),
            }))}
        ## Conditions

        {Plain(documentation, typeof(ConditionTypes), "condition")}
        ## Phases of a migration

        {Plain(documentation, typeof(MigrationPhases), "phase")}
        ## Outcomes

        {Plain(documentation, typeof(Outcomes), "outcome")}
        ## Policies

        {Plain(documentation, typeof(TcpPolicies), "tcpPolicy")}
        {Plain(documentation, typeof(OnFailurePolicies), "onFailure")}
        {Plain(documentation, typeof(DeletionPolicies), "deletionPolicy, checkpointRetention")}
        ## Annotations, labels, finalizers and classes

        {Plain(documentation, typeof(WellKnown), "name")}
        """;

    /// <summary>The documented words of a class of constants.</summary>
    public static IEnumerable<FieldInfo> Words(Type type) =>
        type.GetFields(BindingFlags.Public | BindingFlags.Static).Where(field => field.IsLiteral);

    private static string Plain(Documentation documentation, Type type, string heading) => Markdown.Table(
        [heading, "meaning"],
        Words(type).Select(word => new[] { Markdown.Code(Value(word)), Markdown.Cell(documentation.Summary(word)) }));

    private static string Value(FieldInfo word) => (string)word.GetRawConstantValue()!;
}
