using System.Text.Json.Nodes;
using FluentAssertions;
using Google.Protobuf.WellKnownTypes;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Unit.Manager;

/// <summary>How often, and for how long, agents are asked to remove bytes that the volume does not give up; and
/// what is remembered of it.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class ContentReleaseTests : IDisposable
{
    private static readonly AgentException Refusal =
        new(Reasons.StoreUnavailable, "the volume refuses: Input/output error", isTerminal: false);
    private readonly CheckpointStage _stage = new();

    public void Dispose() => _stage.Dispose();

    [Test]
    public async Task Bytes_that_are_given_up_are_so_for_what_the_last_attempt_said_and_nobody_removes_them_then()
    {
        await BeginAsync();
        Fail();
        await LookAsync();

        _stage.Agents.Time.Advance(TimeSpan.FromHours(1));
        await LookAsync();

        _stage.Agents.Removed.Should().ContainSingle("what is begun now may remove what is said to stay");
        Told().Should().ContainSingle().Which.Should().Contain("stays on the volume").And.Contain("Input/output error");
    }

    [Test]
    public async Task An_attempt_that_was_begun_late_is_awaited([Values] bool ends)
    {
        await BeginAsync();
        Fail();
        await LookAsync();
        _stage.Agents.Time.Advance(TimeSpan.FromHours(1) - TimeSpan.FromSeconds(10));
        await LookAsync();
        _stage.Agents.Removed.Should().HaveCount(2);

        _stage.Agents.Time.Advance(TimeSpan.FromSeconds(10));
        var again = await LookAsync();

        Told().Should().BeEmpty();
        again.Should().Be(TimeSpan.FromSeconds(110), "it has its two minutes");
        if (ends)
        {
            _stage.Agents.Answer(new DeleteCheckpointResponse());
        }

        _stage.Agents.Time.Advance(again!.Value);
        await LookAsync();
        Told().Should().HaveCount(ends ? 0 : 1);
        _stage.Left.Should().NotContain("ContainerCheckpointContent ccpc-2");
    }

    [Test]
    public async Task A_volume_that_refuses_is_asked_ever_more_rarely_and_the_server_seldom_who_else_has_the_bytes()
    {
        await BeginAsync();
        var waits = new List<TimeSpan>();
        for (var attempt = 0; attempt < 12; attempt++)
        {
            Fail();
            var wait = await LookAsync();
            wait.Should().NotBeNull();
            waits.Add(wait!.Value);
            var lists = _stage.Cluster.Lists;
            await LookAsync();
            _stage.Cluster.Lists.Should().Be(lists, "one answer is enough for ten seconds");
            // Whatever else wakes it meanwhile.
            _stage.Agents.Time.Advance(wait.Value / 2);
            await LookAsync();
            _stage.Agents.Removed.Should().HaveCount(attempt + 1);
            _stage.Agents.Time.Advance(wait.Value / 2);
            await LookAsync();
        }

        waits.Should().BeInAscendingOrder().And.StartWith(TimeSpan.FromSeconds(1)).And.EndWith(TimeSpan.FromMinutes(1));
    }

    [Test]
    public async Task Bytes_that_are_imported_while_the_volume_refuses_stay_though_that_is_not_seen_yet()
    {
        await BeginAsync();
        _stage.Cluster.Freeze<PodCheckpointContent>();
        Fail();
        await LookAsync();

        _stage.PutContent("by-hand", "elsewhere", "copy", uid: null);
        _stage.Agents.Time.Advance(TimeSpan.FromSeconds(10));
        await LookAsync();

        _stage.Agents.Removed.Should().ContainSingle("it is not tried again");
        _stage.Left.Should().Contain("PodCheckpointContent by-hand")
            .And.NotContain("ContainerCheckpointContent ccpc-2");
    }

    [Test]
    public async Task A_whole_checkpoints_bytes_stay_that_are_imported_while_the_volume_refuses()
    {
        _stage.Agents.Hang<DeleteCheckpointResponse>();
        _stage.Cluster.Server.Delete(_stage.Claim);
        await _stage.ReconcileAsync();
        _stage.Agents.Removed.Should().ContainSingle();
        _stage.Cluster.Freeze<PodCheckpointContent>();
        Fail();
        await LookAsync<PodCheckpointContent>();

        _stage.PutContent("by-hand", "elsewhere", "copy", uid: null);
        _stage.Agents.Time.Advance(TimeSpan.FromSeconds(10));
        await LookAsync<PodCheckpointContent>();

        _stage.Agents.Removed.Should().ContainSingle("it is not tried again");
        _stage.Left.Where(o => o.StartsWith(nameof(PodCheckpointContent), StringComparison.Ordinal))
            .Should().Equal("PodCheckpointContent by-hand");
    }

    [Test]
    public async Task What_agents_have_answered_is_forgotten_when_it_is_written_down()
    {
        _stage.Cluster.Server.Edit(_stage.Content, j => j.Remove("status"));
        _stage.Cluster.Server.Edit(_stage.PartContent, j => j.Remove("status"));
        _stage.Cluster.Server.Edit(_stage.Part, j => j.Remove("status"));
        _stage.Cluster.Server.PatchStatus(_stage.Claim, new JsonObject { ["ready"] = false });
        var stopped = Timestamp.FromDateTime(_stage.Agents.Time.GetUtcNow().UtcDateTime);
        _stage.Agents.Answer(
            new CheckpointResponse { Digest = "sha256:1", CompressedDigest = "sha256:2", StoppedAt = stopped });
        _stage.Agents.Answer(
            new SealResponse { ArtifactUri = ArtifactUri.ForPod(CheckpointStage.PodUid, CheckpointStage.Id)
                .ToString() });

        await _stage.ReconcileAsync();

        _stage.Claim.Status!.Ready.Should().BeTrue();
        _stage.Calls.Known<CheckpointResponse>($"ccp/{_stage.Part.Metadata.Uid}/dump")
            .Should().BeNull("a thousand checkpoints are kept for months");
        _stage.Calls.Known<SealResponse>($"pcp/{_stage.Claim.Metadata.Uid}/seal").Should().BeNull();
    }

    /// <summary>A container's checkpoint is deleted, and an agent asked to remove its bytes.</summary>
    private async Task BeginAsync()
    {
        _stage.Agents.Hang<DeleteCheckpointResponse>();
        _stage.Cluster.Server.Delete(_stage.Part);
        await _stage.ReconcileAsync();
        _stage.Agents.Removed.Should().ContainSingle();
    }

    /// <summary>What agents were asked fails; what they are asked next they do not answer for now.</summary>
    private void Fail()
    {
        _stage.Agents.Refuse<DeleteCheckpointResponse>(Refusal);
        _stage.Agents.Hang<DeleteCheckpointResponse>();
    }

    private Task<TimeSpan?> LookAsync() => LookAsync<ContainerCheckpointContent>();

    private async Task<TimeSpan?> LookAsync<T>()
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        try
        {
            return await _stage.ReconcileAsync<T>();
        }
        catch (AgentException)
        {
            // Tried again, as Controller does.
            return null;
        }
    }

    private IEnumerable<string> Told() =>
        _stage.Agents.Events.Where(e => e.Reason == Reasons.BytesLeftBehind).Select(e => e.Message);
}
