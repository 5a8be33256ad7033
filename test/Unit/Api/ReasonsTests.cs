using System.Reflection;
using System.Text.RegularExpressions;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Generate;

namespace PodCheckpointing.Unit.Api;

/// <summary>Every word that a user may meet as a reason is documented, with what to do.</summary>
public sealed partial class ReasonsTests
{
    private static readonly IReadOnlySet<string> Known = WordsPage.Words(typeof(Reasons)).Select(word => word.Name).ToHashSet();

    private static IEnumerable<FieldInfo> All() => WordsPage.Words(typeof(Reasons));

    [TestCaseSource(nameof(All))]
    public void Has_a_meaning_and_a_remedy(FieldInfo reason)
    {
        var documentation = Documentation.OfApi();

        documentation.Summary(reason).Should().EndWith(".").And.NotContain("\n");
        documentation.Remarks(reason).Length.Should().BeGreaterThan(10);
    }

    [Test]
    public void No_program_gives_a_reason_that_is_not_documented()
    {
        var root = Repository.Root(AppContext.BaseDirectory);
        var said = new[] { "agent", "controllers", "api" }
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(root, folder), "*.cs", SearchOption.AllDirectories))
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .SelectMany(file => Literal().Matches(File.ReadAllText(file)).Select(match => match.Groups[1].Value))
            .ToHashSet();

        said.Should().Contain("CheckpointDisabled", "the search must find what is there").And.BeSubsetOf(Known);
    }

    // A refusal by the agent, a failure of the operator: the reason is a word in quotes. Constants are checked by the compiler.
    [GeneratedRegex(@"(?:Refusal\.Because\(\s*StatusCode\.\w+,|new (?:Terminal|Agent)Exception\()\s*""(\w+)""", RegexOptions.Singleline)]
    private static partial Regex Literal();
}
