using System.Text.Json.Nodes;
using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>Everything is deleted at once, claims and contents, while somebody needs the bytes still.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class NeededBytesTests : IDisposable
{
    private const string All = $"{CheckpointStage.PodUid}/{CheckpointStage.Id}";
    private readonly CheckpointStage _stage = new();

    public void Dispose() => _stage.Dispose();

    [Test]
    public async Task Bytes_stay_until_the_migration_has_ended_that_moves_a_pod_by_them()
    {
        var migration = _stage.Move();

        await DeleteAllAsync();

        _stage.Agents.Removed.Should().BeEmpty();
        _stage.Left.Should().HaveCount(5);
        _stage.Agents.Events
            .Where(e => e.Reason == Reasons.InUse && e.Message.Contains("PodMigration m moves a pod by it"))
            .Should().HaveCountGreaterThanOrEqualTo(4, "each of the objects says so");

        End(migration);
        await _stage.ReconcileAsync();

        _stage.Agents.Removed.Should().Contain(All);
        _stage.Left.Should().Equal("PodMigration m");
    }

    [Test]
    public async Task Bytes_stay_until_the_pod_has_been_restored_that_waits_for_them()
    {
        var pod = _stage.Restore("n");

        await DeleteAllAsync();

        _stage.Agents.Removed.Should().BeEmpty();
        _stage.Left.Should().HaveCount(5);

        _stage.Cluster.Server.Edit(pod, p => p["metadata"]!["annotations"]![WellKnown.RestoreOutcome] = "Restored");
        await _stage.ReconcileAsync();

        _stage.Agents.Removed.Should().Contain(All);
        _stage.Left.Should().Equal("Pod again");
    }

    [Test]
    public async Task Bytes_stay_that_a_pod_waits_for_in_another_namespace()
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
        _stage.Cluster.Server.PatchStatus(claim, CheckpointStage.Status(new PodCheckpointStatus
        {
            Ready = true,
            PodUID = CheckpointStage.PodUid, CheckpointID = CheckpointStage.Id, BoundContentName = "by-hand",
        }));
        var content = _stage.PutContent("by-hand", "elsewhere", "copy", claim.Metadata.Uid);
        _stage.Restore("elsewhere");
        _stage.Agents.Time.Advance(TimeSpan.FromMinutes(1));
        _stage.Cluster.Server.Delete(claim);
        _stage.Cluster.Server.Delete(content);

        await DeleteAllAsync();

        _stage.Agents.Removed.Should().BeEmpty();
        _stage.Left.Should().Equal("PodCheckpoint copy", "PodCheckpointContent by-hand", "Pod again");
    }

    [Test]
    public async Task The_end_of_a_migration_wakes_the_contents_that_wait_for_it()
    {
        var migration = _stage.Move();
        await DeleteAllAsync();
        Woken(migration).Should().BeEmpty("it is under way");

        End(migration);

        Woken(_stage.Cluster.Server.Find<PodMigration>("n", "m")!)
            .Should().Equal(_stage.Content.Metadata.Name, _stage.PartContent.Metadata.Name);
        Woken(_stage.Claim).Should().Equal(_stage.Content.Metadata.Name, _stage.PartContent.Metadata.Name);
    }

    [Test]
    public async Task A_pod_that_has_been_restored_wakes_the_contents_that_wait_for_it()
    {
        var pod = _stage.Restore("n");
        await DeleteAllAsync();

        Woken(pod).Should().Equal(_stage.Content.Metadata.Name, _stage.PartContent.Metadata.Name);
    }

    /// <summary>As an uninstall does that does not wait for what its first line says.</summary>
    private async Task DeleteAllAsync()
    {
        _stage.Agents.Time.Advance(TimeSpan.FromMinutes(1));
        foreach (var item in new IKubernetesObject<V1ObjectMeta>[] { _stage.Claim,
            _stage.Part, _stage.Content, _stage.PartContent })
        {
            _stage.Cluster.Server.Delete(item);
        }

        await _stage.ReconcileAsync();
    }

    private void End(PodMigration migration) =>
        _stage.Cluster.Server.PatchStatus(
            migration, new JsonObject { ["completionTime"] = _stage.Agents.Time.GetUtcNow().UtcDateTime });

    /// <summary>The contents that are looked at when an object changes.</summary>
    private List<string> Woken<T>(T item)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var wakes = new Wakes(_stage.Cluster, item);
        Triggers.OfPodContents(wakes);
        Triggers.OfContainerContents(wakes);
        return [.. wakes.Keys.Select(key => key.Name).Distinct()];
    }

    private sealed class Wakes(ICluster cluster, object changed) : ITriggers
    {
        public List<ObjectKey> Keys { get; } = [];

        public ITriggers Watch<T>(Func<T, ICluster, IEnumerable<ObjectKey>> map)
            where T : class, IKubernetesObject<V1ObjectMeta>
        {
            if (changed is T item)
            {
                Keys.AddRange(map(item, cluster));
            }

            return this;
        }
    }
}
