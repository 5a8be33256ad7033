using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Unit.Manager;

public sealed class EndedMigrationsTests
{
    private static readonly PodMigration UnderWay = new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = "m",
            NamespaceProperty = "ns",
            Uid = "u",
            Finalizers = [WellKnown.MigrationFinalizer],
        },
        Spec = new PodMigrationSpec { PodName = "p", ServiceName = "s" },
        Status = new PodMigrationStatus
        {
            Phase = MigrationPhases.Completed,
            PodUID = "pu", SourceNode = "a", TargetNode = "b", Outcome = Outcomes.Lost,
            Message = "long",
            Steps = [new MigrationStep { Name = "s" }], Conditions = [new V1Condition { Type = ConditionTypes.Ready }],
            ColdStartPod = "longer",
        },
    };

    [Test]
    public void One_that_is_under_way_is_kept_whole()
    {
        EndedMigrations.Strip(UnderWay).Should().BeSameAs(UnderWay);
        EndedMigrations.Strip(UnderWay with { Status = null }).Status.Should().BeNull();
    }

    [Test]
    public void One_that_has_ended_is_found_as_before_and_its_story_is_not_kept()
    {
        var ended = UnderWay with { Status = UnderWay.Status! with { CompletionTime = DateTime.UnixEpoch } };

        var kept = EndedMigrations.Strip(ended);

        foreach (var index in new[] { Indexes.MigrationsByUid,
            Indexes.MigrationsByPodUid, Indexes.MigrationsByPod, Indexes.MigrationsByService })
        {
            index.ValueOf(kept).Should().Be(index.ValueOf(ended));
        }

        (kept.Metadata, kept.Spec).Should().Be((ended.Metadata, ended.Spec));
        // The outcome decides whether its checkpoint may go.
        kept.Status.Should().BeEquivalentTo(
            ended.Status with { Message = null, Steps = null, Conditions = null, ColdStartPod = null });
    }
}
