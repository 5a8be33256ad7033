using System.Net;
using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Manager.PodMigrations.Back;

namespace PodCheckpointing.Unit.Manager;

/// <summary>A fresh pod that takes the source's place, and what becomes of the source where
/// the server refuses that pod.</summary>
public sealed class ColdStartTests : MigrationTests
{
    private const string Words = "pods \"p-cmigratio\" is forbidden: exceeded quota: two";

    [SetUp]
    public void Begin()
    {
        _world.HasCome(Fenced, Steps.Receive, Steps.Fence);
        _world.Put(_world.Migration with
        {
            Spec = _world.Migration.Spec with { OnFailure = OnFailurePolicies.ColdStart },
            Status = _world.Status with
            {
                Conditions = _world.Status.Conditions.With(
                    ConditionTypes.RolledBack, "False", Reasons.RestoreFailed, "CRIU says no", 1, DateTime.UnixEpoch),
            },
        });
        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());
    }

    [Test]
    public async Task A_source_is_not_taken_for_a_pod_that_the_server_refuses()
    {
        _world.Refusal = WayBackTests.Refused(Words);

        await _world.ReconcileAFewTimesAsync();

        _world.Deleted.Should().BeEmpty();
        _world.Status.CompletionTime.Should().BeNull("a quota may count the target for a moment");
        _world.Condition(ConditionTypes.Stalled).Should().Match<V1Condition>(
            c => c.Status == "True" && c.Reason == Reasons.RequestRefused && c.Message == Words);

        _world.Time.Advance(ColdStart.QuotaTime);
        await _world.ReconcileAFewTimesAsync();

        _world.Deleted.Should().BeEmpty();
        _world.Status.Should().Match<PodMigrationStatus>(
            s => s.Outcome == Outcomes.RolledBack && s.Phase == MigrationPhases.Failed && s.PodAccessible == true);
        _world.Status.Message
            .Should().Be($"CRIU says no; not started afresh at b, where the API server refuses the pod: {Words}");
    }

    [Test]
    public async Task A_source_whose_probes_bound_its_freeze_waits_for_no_quota()
    {
        _world.Put(_world.Migration with { Status = _world.Status with { MaxFreezeSeconds = 20 } });
        _world.Refusal = WayBackTests.Refused(Words);

        await _world.ReconcileAFewTimesAsync();

        _world.Status.Outcome.Should().Be(Outcomes.RolledBack);
        _world.Deleted.Should().BeEmpty();
    }

    [Test]
    public async Task A_source_goes_on_where_nobody_stands_behind_a_webhook()
    {
        _world.Refusal = new KubernetesException(
            HttpStatusCode.InternalServerError, new V1Status { Message = "failed calling webhook \"away.example\"" });

        await _world.ReconcileAFewTimesAsync();
        _world.Condition(ConditionTypes.Stalled)!.Message.Should().Contain("away.example");
        _world.Time.Advance(ColdStart.QuotaTime);
        await _world.ReconcileAFewTimesAsync();

        _world.Status.Outcome.Should().Be(Outcomes.RolledBack);
        _world.Deleted.Should().BeEmpty();
    }

    [Test]
    public async Task A_source_is_taken_when_the_server_does_not_refuse_the_pod_any_more()
    {
        _world.Refusal = WayBackTests.Refused(Words);
        await _world.ReconcileAFewTimesAsync();
        _world.Deleted.Should().BeEmpty();

        _world.Refusal = null;
        await _world.ReconcileAFewTimesAsync();

        _world.Deleted.Should().Equal("p");
        _world.Condition(ConditionTypes.Stalled)!.Status.Should().Be("False");
    }

    [Test]
    public async Task A_webhook_that_knows_no_dry_run_says_nothing_about_the_pod()
    {
        _world.Refusal = WayBackTests.Refused("admission webhook \"old.example\" does not support dry run");

        await _world.ReconcileAsync();

        _world.Status.Steps.Should().Contain(s => s.Name == Steps.ColdStart);
    }

    [Test]
    public async Task A_refusal_is_told_of_where_the_source_is_gone_already()
    {
        await SourceHasGoneAsync();
        _world.Refusal = WayBackTests.Refused(Words);

        await _world.Invoking(w => w.ReconcileAsync()).Should().ThrowAsync<KubernetesException>("it is tried again");

        _world.Status.CompletionTime.Should().BeNull();
        _world.Condition(ConditionTypes.Stalled)
            .Should().Match<V1Condition>(c => c.Status == "True" && c.Message == Words);
    }

    [Test]
    public async Task A_namespace_that_is_being_deleted_is_not_held_by_a_pod_that_can_never_come()
    {
        await SourceHasGoneAsync();
        _world.Refusal = WayBackTests.Refused(
            "pods \"p-cmigratio\" is forbidden: unable to create new content in namespace n because it is being "
                + "terminated",
            "NamespaceTerminating");

        await _world.ReconcileAFewTimesAsync();

        _world.Status.Should().Match<PodMigrationStatus>(
            s => s.Outcome == Outcomes.Lost && s.Phase == MigrationPhases.Failed && s.PodAccessible == false);
        _world.Status.CompletionTime.Should().NotBeNull();
        _world.Condition(ConditionTypes.RolledBack)!.Status.Should().Be("False", "there was no way back");
        _world.Condition(ConditionTypes.Stalled)?.Status.Should().Be("False");
        _world.Status.Message.Should().Be(
            "CRIU says no; the source is gone, and no pod can be started afresh: namespace n is being deleted");
        _world.MetadataPatches.Should().Contain(("m", "finalizers: "));
    }

    /// <summary>The source is gone, and the fresh pod has not come.</summary>
    private async Task SourceHasGoneAsync()
    {
        await _world.ReconcileAFewTimesAsync();
        _world.Take<V1Pod>("n", "p-cmigratio");
        _world.Put(_world.Migration with { Status = _world.Status with { RestoredPodUID = null } });
    }
}
