using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Unit.Api;

public sealed class ConditionsTests
{
    private static readonly DateTime Noon = new(2026, 11, 21, 12, 0, 0, DateTimeKind.Utc);

    [Test]
    public void Sets_the_first_condition()
    {
        var conditions =
            ((IList<V1Condition>?)null).With("Ready", "False", "Pending", "waiting", 3, Noon.AddMilliseconds(7));

        conditions.Should().ContainSingle().Which.Should().Be(new V1Condition
        {
            Type = "Ready", Status = "False", Reason = "Pending", Message = "waiting", ObservedGeneration = 3,
            LastTransitionTime = Noon,
        });
        conditions.IsTrue("Ready").Should().BeFalse();
    }

    [Test]
    public void Keeps_the_time_while_the_status_stays()
    {
        var conditions = ((IList<V1Condition>?)null)
            .With("Ready", "False", "Pending", "waiting", 1, Noon)
            .With("Ready", "False", "CheckpointInProgress", "dumping", 2, Noon.AddMinutes(1));

        conditions.Find("Ready").Should().Match<V1Condition>(c =>
            c.LastTransitionTime == Noon && c.Reason == "CheckpointInProgress" && c.ObservedGeneration == 2);
    }

    [Test]
    public void Moves_the_time_with_the_status()
    {
        var conditions = ((IList<V1Condition>?)null)
            .With("Ready", "False", "Pending", "waiting", 1, Noon)
            .With("Ready", "True", "CheckpointCompleted", "done", 1, Noon.AddMinutes(1));

        conditions.Should().ContainSingle().Which.LastTransitionTime.Should().Be(Noon.AddMinutes(1));
        conditions.IsTrue("Ready").Should().BeTrue();
    }

    [Test]
    public void Leaves_the_other_conditions_and_the_old_list_alone()
    {
        var before = ((IList<V1Condition>?)null).With("Validated", "True", "Succeeded", "", 1, Noon);

        var after = before.With("Ready", "False", "Pending", "", 1, Noon.AddMinutes(1));

        before.Should().ContainSingle();
        after.Should().HaveCount(2).And.Contain(before[0]);
    }

    [Test]
    public void Changes_nothing_when_what_is_so_is_set_again()
    {
        var before = ((IList<V1Condition>?)null)
            .With("Bound", "True", "Bound", "", 1, Noon)
            .With("Ready", "True", "CheckpointCompleted", "", 1, Noon);

        before.With("Bound", "True", "Bound", "", 1, Noon.AddMinutes(1)).Should().Equal(before);
    }
}
