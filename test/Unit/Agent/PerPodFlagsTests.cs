using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent;

namespace PodCheckpointing.Unit.Agent;

public sealed class PerPodFlagsTests
{
    private PerPodFlags _flags = null!;

    [SetUp]
    public void Begin() => _flags = new PerPodFlags();

    [Test]
    public void What_is_known_is_told_once()
    {
        _flags.Add("u1", "c").Should().BeTrue();
        _flags.Add("u1", "c").Should().BeFalse();
        _flags.Has("u1", "c").Should().BeTrue();
        _flags.Has("u1", "d").Should().BeFalse();
    }

    [TestCase(PerPodFlags.MaxTracked, false)]
    [TestCase(PerPodFlags.MaxTracked - 1, true)]
    public void Pods_that_have_left_are_forgotten_when_they_are_many(int pods, bool known)
    {
        for (var i = 0; i < pods; i++)
        {
            _flags.Add($"u{i}", "c");
        }

        _flags.Forget(new HashSet<string> { "u0" });

        _flags.Has("u0", "c").Should().BeTrue();
        _flags.Has("u1", "c").Should().Be(known);
    }
}
