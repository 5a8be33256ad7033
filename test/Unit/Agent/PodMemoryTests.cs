using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent;

namespace PodCheckpointing.Unit.Agent;

public sealed class PodMemoryTests
{
    private PodMemory _memory = null!;

    [SetUp]
    public void Begin() => _memory = new PodMemory();

    [Test]
    public void What_is_known_is_told_once()
    {
        _memory.Add("u1", "c").Should().BeTrue();
        _memory.Add("u1", "c").Should().BeFalse();
        _memory.Has("u1", "c").Should().BeTrue();
        _memory.Has("u1", "d").Should().BeFalse();
    }

    [TestCase(PodMemory.Many, false)]
    [TestCase(PodMemory.Many - 1, true)]
    public void Pods_that_have_left_are_forgotten_when_they_are_many(int pods, bool known)
    {
        for (var i = 0; i < pods; i++)
        {
            _memory.Add($"u{i}", "c");
        }

        _memory.Forget(new HashSet<string> { "u0" });

        _memory.Has("u0", "c").Should().BeTrue();
        _memory.Has("u1", "c").Should().Be(known);
    }
}
