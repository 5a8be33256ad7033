using System.Reflection;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Generate;

namespace PodCheckpointing.Unit.Api;

/// <summary>Every word that a user may meet as a reason is documented, with what to do.</summary>
public sealed class ReasonsTests
{
    private static IEnumerable<FieldInfo> All() => WordsPage.Words(typeof(Reasons));

    [TestCaseSource(nameof(All))]
    public void Has_a_meaning_and_a_remedy(FieldInfo reason)
    {
        var documentation = Documentation.OfApi();

        documentation.Summary(reason).Should().EndWith(".").And.NotContain("\n");
        documentation.Remarks(reason).Length.Should().BeGreaterThan(10);
    }
}
