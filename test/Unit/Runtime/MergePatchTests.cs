using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Runtime;

public sealed class MergePatchTests
{
    private static readonly Status Old = new() { Phase = "Pending", Steps = ["a"], Count = 1 };

    [Test]
    public void Of_what_is_equal_there_is_no_patch() =>
        MergePatch.Between(Old, Old with { Steps = ["a"] }).Should().BeEmpty();

    [Test]
    public void Tells_what_is_new_what_is_other_and_what_is_gone() =>
        MergePatch.Between(Old, new Status { Phase = "Failed", Steps = ["a", "b"], More = "m" }).ToJsonString()
            .Should().Be("""{"phase":"Failed","steps":["a","b"],"more":"m","count":null}""");

    [Test]
    public void Of_nothing_all_is_new() =>
        MergePatch.Between(null, Old).ToJsonString().Should().Be("""{"phase":"Pending","steps":["a"],"count":1}""");

    private sealed record Status
    {
        public string? Phase { get; init; }

        public IList<string>? Steps { get; init; }

        public string? More { get; init; }

        public int? Count { get; init; }
    }
}
