using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.ContainerCheckpoints;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Manager.PodCheckpoints;
using PodCheckpointing.Runtime;
using PodCheckpointing.Simulation;

namespace PodCheckpointing.Unit.Manager;

/// <summary>A whole checkpoint of a pod with one container, its contents, and their reconcilers.</summary>
internal sealed class CheckpointStage : IDisposable
{
    public const string PodUid = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    public const string Id = "20261121t003412z-7f3a9c";
    private readonly WorkQueue _queue;
    private readonly ContentRelease _release;
    private readonly SharedBytes _sharedBytes;
    private readonly string _claimUid;
    private readonly string _partUid;

    public CheckpointStage()
    {
        _queue = new WorkQueue(Agents.Time);
        Cluster = new ServedCluster(new SimulatedServer(Agents.Time, new Random(1)));
        _release = new ContentRelease(
            Cluster, Agents, Calls, Agents, Options.Create(new OperatorOptions()), Agents.Time);
        _sharedBytes = new SharedBytes(Cluster, _release, Agents.Time);
        Agents.Answer(new DeleteCheckpointResponse());
        var claim = Cluster.Create(new PodCheckpoint
        {
            Metadata = new V1ObjectMeta
            {
                Name = "whole",
                NamespaceProperty = "n",
                Finalizers = [WellKnown.CheckpointFinalizer],
            },
            Spec = new PodCheckpointSpec { PodName = "p" },
        });
        _claimUid = claim.Metadata.Uid!;
        Cluster.Server.PatchStatus(claim, Status(new PodCheckpointStatus
        {
            Ready = true, PodUID = PodUid,
            CheckpointID = Id, NodeName = "a", Containers = ["c"], BoundContentName = $"pcpc-{_claimUid}",
        }));
        PutContent($"pcpc-{_claimUid}", "n", "whole", _claimUid);
        var part = Cluster.Create(new ContainerCheckpoint
        {
            Metadata = new V1ObjectMeta
            {
                Name = "part", NamespaceProperty = "n",
                OwnerReferences = [Owners.ControllerReference(claim)], Finalizers = [WellKnown.CheckpointFinalizer],
            },
            Spec =
                new ContainerCheckpointSpec { PodName = "p", PodUID = PodUid, ContainerName = "c", CheckpointID = Id },
        });
        _partUid = part.Metadata.Uid!;
        Cluster.Server.PatchStatus(part, Status(new ContainerCheckpointStatus { Ready = true }));
        var content = Cluster.Create(new ContainerCheckpointContent
        {
            Metadata = new V1ObjectMeta { Name = $"ccpc-{_partUid}", Finalizers = [WellKnown.ContentFinalizer] },
            Spec = new ContainerCheckpointContentSpec
            {
                ContainerCheckpointRef = new ClaimReference { NamespaceProperty = "n", Name = "part", Uid = _partUid },
                Source = Source with { ContainerName = "c" },
            },
        });
        Cluster.Server.PatchStatus(content, Status(new ContainerCheckpointContentStatus { Ready = true }));
    }

    /// <summary>Agents that do as they are told, and the events.</summary>
    public MigrationWorld Agents { get; } = new();

    public ServedCluster Cluster { get; }

    /// <summary>What the reconcilers have asked agents, and remember.</summary>
    public PendingCalls Calls { get; } = new(new MigrationWorld.Inline(), new SoleLeader(), CancellationToken.None);

    public PodCheckpoint Claim => Cluster.Server.Find<PodCheckpoint>("n", "whole")!;

    public PodCheckpointContent Content => Cluster.Server.Find<PodCheckpointContent>(null, $"pcpc-{_claimUid}")!;

    public ContainerCheckpoint Part => Cluster.Server.Find<ContainerCheckpoint>("n", "part")!;

    public ContainerCheckpointContent PartContent =>
        Cluster.Server.Find<ContainerCheckpointContent>(null, $"ccpc-{_partUid}")!;

    /// <summary>The objects that are there, by kind.</summary>
    public IEnumerable<string> Left =>
        Cluster.Server.All<IKubernetesObject<V1ObjectMeta>>().Select(o => $"{o.Kind} {o.Metadata.Name}")
            .Select(n => n.Replace(_claimUid, "1", StringComparison.Ordinal).Replace(
                _partUid, "2", StringComparison.Ordinal));

    private static CheckpointSource Source =>
        new() { PodNamespace = "n", PodName = "p", PodUID = PodUid, NodeName = "a", CheckpointID = Id };

    public static JsonObject Status<T>(T status)
        where T : class, new() => MergePatch.Between(new T(), status);

    public PodCheckpointContent PutContent(
        string name, string scope, string claim, string? uid, string policy = DeletionPolicies.Delete) =>
        Cluster.Server.PatchStatus(
            Cluster.Create(new PodCheckpointContent
            {
                Metadata = new V1ObjectMeta { Name = name, Finalizers = [WellKnown.ContentFinalizer] },
                Spec = new PodCheckpointContentSpec
                {
                    PodCheckpointRef = new ClaimReference { NamespaceProperty = scope, Name = claim, Uid = uid },
                    DeletionPolicy = policy, Source = Source,
                },
            }),
            Status(new PodCheckpointContentStatus { Ready = true, ArtifactURI = ArtifactUri.ForPod(PodUid, Id)
                .ToString() }));

    /// <summary>The migration, under way, that the checkpoint is made for.</summary>
    public PodMigration Move()
    {
        var migration = Cluster.Create(new PodMigration
        {
            Metadata =
                new V1ObjectMeta { Name = "m", NamespaceProperty = "n", Finalizers = [WellKnown.MigrationFinalizer] },
            Spec = new PodMigrationSpec { PodName = "p", TargetNode = "b" },
        });
        Cluster.Server.Edit(Claim, claim => claim["metadata"]!["ownerReferences"] = new JsonArray(
            JsonSerializer.SerializeToNode(Owners.ControllerReference(migration), KubernetesJson.Options)));
        return migration;
    }

    /// <summary>A pod that waits for its restore from the checkpoint's bytes.</summary>
    public V1Pod Restore(string scope) => Cluster.Create(new V1Pod
    {
        Metadata = new V1ObjectMeta
        {
            Name = "again", NamespaceProperty = scope,
            Annotations =
                new Dictionary<string, string> { [WellKnown.RestoreAnnotation] = ArtifactUri.ForPod(PodUid, Id)
                    .ToString() },
        },
        Spec = new V1PodSpec { NodeName = "b" },
    });

    /// <summary>Each reconciler looks at each of its objects, more often than any of them needs.</summary>
    public async Task ReconcileAsync()
    {
        for (var i = 0; i < 8; i++)
        {
            await ReconcileAsync<PodCheckpoint>();
            await ReconcileAsync<ContainerCheckpoint>();
            await ReconcileAsync<ContainerCheckpointContent>();
            await ReconcileAsync<PodCheckpointContent>();
        }
    }

    /// <summary>A reconciler looks once at each object of its kind.</summary>
    /// <returns>When it wants to look at the last one again.</returns>
    public async Task<TimeSpan?> ReconcileAsync<T>()
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var lost = new LostNodes(Cluster, Agents.Time);
        IReconciler reconciler =
            typeof(T) == typeof(PodCheckpoint)
                ? new PodCheckpointReconciler(Cluster, Agents, lost, Calls, Agents, _queue, Agents.Time)
                : typeof(T) == typeof(ContainerCheckpoint)
                    ? new ContainerCheckpointReconciler(Cluster, Agents, lost, Calls, Agents, _queue, Agents.Time)
                    : typeof(T) == typeof(PodCheckpointContent)
                        ? new PodCheckpointContentReconciler(
                            Cluster, Agents, Calls, _release, _sharedBytes, Agents, _queue, Agents.Time)
                        : new ContainerCheckpointContentReconciler(
                            Cluster, _release, _sharedBytes, Agents, _queue, Agents.Time);
        TimeSpan? again = null;
        foreach (var item in Cluster.All<T>().ToList())
        {
            try
            {
                again = (await reconciler.ReconcileAsync(ObjectKey.Of(item), CancellationToken.None)).RequeueAfter;
            }
            catch (ConflictException)
            {
                // Tried again, as Controller does.
            }
        }

        return again;
    }

    public void Dispose()
    {
        Agents.Dispose();
        _queue.Dispose();
    }
}
