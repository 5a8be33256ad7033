using System.Text.Json.Nodes;
using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Unit.Manager;

/// <summary>A checkpoint whose bytes somebody else has, too: what its deletion leaves to them.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class SharedBytesTests : IDisposable
{
    private const string All = $"{CheckpointStage.PodUid}/{CheckpointStage.Id}";
    private readonly CheckpointStage _stage = new();

    public void Dispose() => _stage.Dispose();

    [Test]
    public async Task A_checkpoint_that_nobody_else_has_goes_with_all_its_bytes_at_once()
    {
        _stage.Cluster.Server.Delete(_stage.Claim);
        await _stage.ReconcileAsync();

        _stage.Agents.Removed.Should().Equal(All);
        _stage.Left.Should().BeEmpty();
    }

    [Test]
    public async Task Bytes_stay_that_another_content_names()
    {
        // An administrator has offered them to another namespace.
        _stage.PutContent("by-hand", "elsewhere", "copy", uid: null, DeletionPolicies.Retain);

        _stage.Cluster.Server.Delete(_stage.Claim);
        await _stage.ReconcileAsync();

        _stage.Agents.Removed.Should().BeEmpty();
        _stage.Left.Should().Equal("PodCheckpointContent by-hand");
        _stage.Agents.Events.Should().Contain(e => e.Reason == Reasons.InUse && e.Message.Contains("by-hand"));
    }

    [Test]
    public async Task A_containers_bytes_stay_that_a_content_names_which_is_not_seen_yet()
    {
        _stage.Cluster.Freeze<PodCheckpointContent>();
        _stage.PutContent("by-hand", "elsewhere", "copy", uid: null);

        _stage.Cluster.Server.Delete(_stage.Part);
        await _stage.ReconcileAsync();

        _stage.Agents.Removed.Should().BeEmpty();
    }

    [Test]
    public async Task Whose_bytes_are_being_removed_is_looked_for_once()
    {
        _stage.Agents.Hang<DeleteCheckpointResponse>();
        _stage.Cluster.Server.Delete(_stage.Part);
        await _stage.ReconcileAsync();
        _stage.Agents.Removed.Should().Equal($"{All}/c");

        _stage.Cluster.Lists.Should().Be(1, "the server is not asked for all contents as often as somebody looks");
    }

    [Test]
    public async Task Bytes_stay_whose_content_has_been_given_to_another_claim(
        [Values(null, "copy-uid")] string? uid, [Values] bool seen)
    {
        if (!seen)
        {
            _stage.Cluster.Freeze<PodCheckpointContent>();
        }

        _stage.Cluster.Server.Patch(_stage.Content, new JsonObject
        {
            ["spec"] = new JsonObject
            {
                ["podCheckpointRef"] = new JsonObject { ["namespace"] = "elsewhere", ["name"] = "copy", ["uid"] = uid },
            },
        });

        _stage.Cluster.Server.Delete(_stage.Claim);
        await _stage.ReconcileAsync();

        _stage.Agents.Removed.Should().BeEmpty();
        _stage.Left.Should().Equal("PodCheckpointContent pcpc-1", "ContainerCheckpointContent ccpc-2");
    }

    [Test]
    public async Task The_last_content_of_several_takes_the_bytes_along()
    {
        _stage.PutContent("by-hand", "elsewhere", "copy", "copy-uid");
        _stage.Cluster.Server.Delete(_stage.Claim);
        await _stage.ReconcileAsync();
        _stage.Agents.Removed.Should().BeEmpty();

        _stage.Cluster.Server.Delete(_stage.Cluster.Server.Find<PodCheckpointContent>(null, "by-hand")!);
        await _stage.ReconcileAsync();

        _stage.Agents.Removed.Should().Equal(All);
        _stage.Left.Should().BeEmpty();
    }

    [Test]
    public async Task Bytes_stay_for_a_claim_whose_content_somebody_has_tried_to_delete()
    {
        var claim = _stage.Cluster.Create(new PodCheckpoint
        {
            Metadata = new V1ObjectMeta
            {
                Name = "copy",
                NamespaceProperty = "elsewhere",
                Finalizers = [WellKnown.CheckpointFinalizer],
            },
            Spec = new PodCheckpointSpec { PodCheckpointContentName = "by-hand" },
        });
        _stage.Cluster.Server.Delete(_stage.PutContent("by-hand", "elsewhere", "copy", claim.Metadata.Uid));

        _stage.Cluster.Server.Delete(_stage.Claim);
        await _stage.ReconcileAsync();

        _stage.Agents.Removed.Should().BeEmpty();
    }

    [Test]
    public async Task The_containers_bytes_go_of_a_checkpoint_that_has_failed()
    {
        _stage.Cluster.Server.PatchStatus(
            _stage.Claim, CheckpointStage.Status(
                new PodCheckpointStatus
                {
                    Ready = false,
                    Error = new CheckpointError { Reason = "x", Message = "y" },
                }));

        await _stage.ReconcileAsync();

        _stage.Agents.Removed.Should().Equal($"{All}/c");
        _stage.Left.Should().Equal("PodCheckpoint whole", "PodCheckpointContent pcpc-1");
    }
}
