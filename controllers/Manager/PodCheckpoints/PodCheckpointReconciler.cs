using System.Runtime.ExceptionServices;
using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodCheckpoints;

/// <summary>Has all containers of a pod dumped, and seals the checkpoint when every one of them stands.</summary>
internal sealed partial class PodCheckpointReconciler(
    ICluster cluster,
    IAgentDirectory agents,
    LostNodes lostNodes,
    PendingCalls calls,
    IEventRecorder events,
    WorkQueue queue,
    TimeProvider time) : IReconciler
{
    public async Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (cluster.Find<PodCheckpoint>(key) is not { } checkpoint)
        {
            return ReconcileResult.Done;
        }

        if (checkpoint.Metadata.DeletionTimestamp is not null)
        {
            var released = await ReleaseAsync(checkpoint, cancellationToken);
            // A migration that needs it would wait for it in vain, with its pod fenced: it is made all the same, and goes afterwards.
            if (!checkpoint.Has(WellKnown.CheckpointFinalizer) || Owners.UserOf(checkpoint, cluster) is null)
            {
                return released;
            }
        }

        if (checkpoint.Status is { Error: not null })
        {
            ForgetAnswers(checkpoint);
            await DropPartsAsync(checkpoint, cancellationToken);
            return ReconcileResult.Done;
        }

        if (checkpoint.Status is { Ready: true } && await IsStillWholeAsync(checkpoint, cancellationToken))
        {
            ForgetAnswers(checkpoint);
            return ReconcileResult.Done;
        }

        if (!checkpoint.Has(WellKnown.CheckpointFinalizer))
        {
            await cluster.SetFinalizersAsync(checkpoint, checkpoint.With(WellKnown.CheckpointFinalizer), cancellationToken);
            return ReconcileResult.Done;
        }

        var status = checkpoint.Status ?? new PodCheckpointStatus();
        PodCheckpointStatus next;
        AgentException? passing = null;
        try
        {
            next = await StepAsync(checkpoint, status, () => queue.Add(key), cancellationToken);
        }
        catch (Exception exception) when (Failures.TerminalReasonOf(exception) is { } reason)
        {
            next = status with
            {
                Ready = false,
                ObservedGeneration = checkpoint.Metadata.Generation,
                Error = new CheckpointError { Time = Now, Reason = reason, Message = exception.Message },
                Conditions = Condition(checkpoint, status, "False", reason, exception.Message),
            };
        }
        catch (AgentException exception)
        {
            // It is tried again, for as long as it takes: so that it can be seen what it waits for.
            next = Waiting(checkpoint, status, exception.Reason, exception.Message);
            passing = exception;
        }

        await cluster.PatchStatusAsync(checkpoint, checkpoint.Status, next, cancellationToken);
        events.RecordChanges(checkpoint, checkpoint.Status?.Conditions, next.Conditions);
        if (passing is not null)
        {
            ExceptionDispatchInfo.Throw(passing);
        }

        // Events drive it; the look is the net below them.
        return new ReconcileResult(next is { Ready: true } or { Error: not null } ? null : PodMigrationReconciler.Resync);
    }

    internal static string ContentName(PodCheckpoint checkpoint) =>
        checkpoint.Spec.PodCheckpointContentName ?? $"pcpc-{checkpoint.Metadata.Uid}";

    private DateTime Now => time.GetUtcNow().UtcDateTime;

    /// <summary>Whether a checkpoint that was whole has its content still, and that its bytes.</summary>
    private async Task<bool> IsStillWholeAsync(PodCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        var key = new ObjectKey(null, ContentName(checkpoint));
        bool IsBound(PodCheckpointContent? content) => content?.Spec.PodCheckpointRef.Uid == checkpoint.Metadata.Uid;
        var content = cluster.Find<PodCheckpointContent>(key);
        // Who was given it is not refused for a view that lags behind. Where there is none any more, nothing is made in its place:
        // that would be another dump.
        if (!IsBound(content))
        {
            content = await cluster.ReadAsync<PodCheckpointContent>(key, cancellationToken);
        }

        return content is null || (IsBound(content) && content.Status?.Error is null);
    }

    private async Task<PodCheckpointStatus> StepAsync(
        PodCheckpoint checkpoint, PodCheckpointStatus status, Action wake, CancellationToken cancellationToken)
    {
        if (checkpoint.Spec.PodCheckpointContentName is { } import)
        {
            return await ImportAsync(checkpoint, import, status, cancellationToken);
        }

        if (status.CheckpointID is null)
        {
            // Chosen once and stored before anything happens: whoever comes next goes on with the same checkpoint.
            var pod = await FindPodAsync(checkpoint, cancellationToken);
            return status with
            {
                ObservedGeneration = checkpoint.Metadata.Generation,
                Ready = false,
                CheckpointID = IdFor(checkpoint),
                PodUID = pod.Metadata.Uid,
                NodeName = pod.Spec.NodeName,
                Containers = [.. pod.LivingContainers().Select(c => c.Name)],
                // A pod that runs on would write into them while they are read.
                Volumes = IsMigrations(checkpoint) ? pod.EmptyDirs() is { Count: > 0 } volumes ? [.. volumes] : null : null,
                Conditions = Condition(
                    checkpoint, status, "False", Reasons.Pending, $"the checkpoint has its name{LeftOut(checkpoint, pod)}"),
            };
        }

        var content = cluster.Find<PodCheckpointContent>(new ObjectKey(null, ContentName(checkpoint)))
            ?? await cluster.CreateOrGetAsync(ContentFor(checkpoint, status), cancellationToken);
        if (content.Spec.PodCheckpointRef.Uid != checkpoint.Metadata.Uid)
        {
            throw new TerminalException(Reasons.BindingMismatch, $"content {content.Metadata.Name} belongs to another PodCheckpoint");
        }

        status = status with { BoundContentName = content.Metadata.Name };
        if (content.Status?.Error is { } lost)
        {
            // Not the end: the volume may come back.
            return Waiting(checkpoint, status, lost.Reason ?? Reasons.ArtifactMissing, $"the checkpoint is not on the volume any more: {lost.Message}");
        }

        var parts = new List<ContainerCheckpoint>();
        foreach (var container in status.Containers ?? [])
        {
            parts.Add(await EnsurePartAsync(checkpoint, status, container, cancellationToken));
        }

        if (parts.FirstOrDefault(p => p.Status?.Error is not null) is { } failed)
        {
            throw new TerminalException(
                failed.Status!.Error!.Reason ?? Reasons.CheckpointFailed,
                $"container {failed.Spec.ContainerName}: {failed.Status.Error.Message}");
        }

        var ready = parts.Count(p => p.Status?.Ready == true);
        if (parts.Select(p => (p.Spec.ContainerName, Ready: p.Status?.Conditions.Find(ConditionTypes.Ready)))
            .FirstOrDefault(p => p.Ready is { Status: "False", Reason: not Reasons.CheckpointInProgress }) is { Ready: { } why } waiting)
        {
            return Waiting(checkpoint, status, why.Reason!, $"container {waiting.ContainerName}: {why.Message}");
        }

        return ready < parts.Count
            ? Meanwhile(checkpoint, status with
            {
                Conditions = Condition(
                    checkpoint, status, "False", Reasons.CheckpointInProgress, $"{ready} of {parts.Count} containers are dumped"),
            })
            : await SealAsync(checkpoint, status, content, parts, wake, cancellationToken);
    }

    /// <summary>How far a migration's checkpoint is, the migration tells: said here, too, it would be a write for each
    /// container while the pod stands still.</summary>
    private static PodCheckpointStatus Meanwhile(PodCheckpoint checkpoint, PodCheckpointStatus status) =>
        IsMigrations(checkpoint) ? checkpoint.Status! : status;

    private static bool IsMigrations(PodCheckpoint checkpoint) => checkpoint.ControllerKey(nameof(PodMigration)) is not null;

    /// <summary>What a reader might expect in the checkpoint, and will not find there.</summary>
    private static string LeftOut(PodCheckpoint checkpoint, V1Pod pod)
    {
        var without = pod.EphemeralContainers().Select(c => $"ephemeral container {c}")
            .Concat(IsMigrations(checkpoint) ? [] : pod.EmptyDirs().Select(v => $"content of emptyDir volume {v}")).ToList();
        return without.Count == 0 ? "" : $"; not in it: {string.Join(", ", without)}";
    }

    /// <summary>A migration's checkpoint has the id that its target pod has been told.</summary>
    private string IdFor(PodCheckpoint checkpoint)
    {
        if (checkpoint.ControllerKey(nameof(PodMigration)) is not { } key)
        {
            return ArtifactUri.NewCheckpointId(time);
        }

        var migration = cluster.Find<PodMigration>(key);
        return migration is not null && checkpoint.IsControlledBy(migration)
            && MigrationScope.CheckpointNameFor(migration) == checkpoint.Metadata.Name
                ? MigrationScope.CheckpointIdFor(migration)
                : throw new TerminalException(
                    Reasons.BindingMismatch, $"PodCheckpoint {checkpoint.Metadata.Name} is not the one of PodMigration {key.Name}, which owns it");
    }

    private async Task<PodCheckpointStatus> SealAsync(
        PodCheckpoint checkpoint,
        PodCheckpointStatus status,
        PodCheckpointContent content,
        List<ContainerCheckpoint> parts,
        Action wake,
        CancellationToken cancellationToken)
    {
        if (content.Status?.Ready != true)
        {
            var request = new SealRequest { PodUid = status.PodUID, CheckpointId = status.CheckpointID };
            request.ContainerNames.AddRange(parts.Select(p => p.Spec.ContainerName));
            request.VolumeNames.AddRange(status.Volumes ?? []);
            if (Seal($"pcp/{checkpoint.Metadata.Uid}/seal", status.NodeName!, request, wake) is not { } sealedNow)
            {
                // Why the last attempt failed stands there until one succeeds.
                return Meanwhile(checkpoint, status);
            }

            await cluster.PatchStatusAsync(
                content,
                content.Status,
                (content.Status ?? new PodCheckpointContentStatus()) with
                {
                    ObservedGeneration = content.Metadata.Generation,
                    Ready = true,
                    Conditions = (content.Status?.Conditions)
                        .WithBound(content, content.Spec.PodCheckpointRef, checkpoint, time)
                        .With(
                            ConditionTypes.Ready, "True", Reasons.CheckpointCompleted, "the checkpoint is whole",
                            content.Metadata.Generation, Now),
                    Containers = [.. parts.Select(p => p.Spec.ContainerName)],
                    Volumes = status.Volumes,
                    ArtifactURI = sealedNow.ArtifactUri,
                    Size = (long)sealedNow.CompressedSize,
                    ContainerContents = [.. parts.Select(p => p.Status!.BoundContentName!)],
                },
                cancellationToken);
            return Meanwhile(checkpoint, status);
        }

        return status with
        {
            Ready = true,
            Size = content.Status.Size,
            CreationTime = status.CreationTime ?? Now,
            Conditions = Condition(checkpoint, status, "True", Reasons.CheckpointCompleted, "the checkpoint is whole"),
        };
    }

    /// <summary>Any agent seals what stands, where the node is lost by now.</summary>
    private SealResponse? Seal(string call, string node, SealRequest request, Action wake) => lostNodes.Contains(node)
        ? calls.AskAny(call, agents, first: null, (other, t) => other.SealAsync(request, t), wake)
        : calls.Ask(call, t => agents.Require(node).SealAsync(request, t), wake);

    private async Task<ContainerCheckpoint> EnsurePartAsync(
        PodCheckpoint checkpoint, PodCheckpointStatus status, string container, CancellationToken cancellationToken)
    {
        var name = PartName(checkpoint, container);
        // Whatever it is called: an earlier operator may have made it.
        var part = PartsOf(checkpoint).FirstOrDefault(p => p.Spec.ContainerName == container)
            ?? await cluster.CreateOrGetAsync(
                new ContainerCheckpoint
                {
                    Metadata = new V1ObjectMeta
                    {
                        Name = name,
                        NamespaceProperty = checkpoint.Metadata.NamespaceProperty,
                        OwnerReferences = [Owners.ControllerReference(checkpoint)],
                        Finalizers = [WellKnown.CheckpointFinalizer],
                    },
                    Spec = new ContainerCheckpointSpec
                    {
                        PodName = checkpoint.Spec.PodName,
                        ContainerName = container,
                        PodUID = status.PodUID!,
                        CheckpointID = status.CheckpointID!,
                        DeletionPolicy = checkpoint.Spec.DeletionPolicy,
                    },
                },
                cancellationToken);
        return part.IsControlledBy(checkpoint)
            ? part
            : throw new TerminalException(
                Reasons.BindingMismatch, $"ContainerCheckpoint {name} exists and belongs to somebody else: delete it");
    }

    /// <summary>By the uid, for names run into one: a with b-c, and a-b with c. And short enough, however long both are.</summary>
    private static string PartName(PodCheckpoint checkpoint, string container) =>
        $"{MigrationScope.Shortened(checkpoint.Metadata.Name!)}-{checkpoint.Metadata.Uid![..8]}-{container}";

    /// <summary>The pod, which can be dumped.</summary>
    /// <exception cref="TerminalException">It cannot, as the API server has it now: a view may lag behind.</exception>
    private async Task<V1Pod> FindPodAsync(PodCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        var key = new ObjectKey(checkpoint.Metadata.NamespaceProperty, checkpoint.Spec.PodName);
        var pod = cluster.Find<V1Pod>(key);
        if (WhyNot(checkpoint, pod) is not null)
        {
            pod = await cluster.ReadAsync<V1Pod>(key, cancellationToken);
        }

        return WhyNot(checkpoint, pod) is { } why ? throw why : pod!;
    }

    private static TerminalException? WhyNot(PodCheckpoint checkpoint, V1Pod? pod) => pod switch
    {
        null => new TerminalException(Reasons.PodNotFound, $"pod {checkpoint.Spec.PodName} does not exist in this namespace"),
        _ when checkpoint.Spec.PodUID is { } uid && pod.Metadata.Uid != uid =>
            new TerminalException(Reasons.SourcePodReplaced, $"pod {pod.Metadata.Name} has uid {pod.Metadata.Uid}, not {uid}"),
        { Metadata.DeletionTimestamp: not null } =>
            new TerminalException(Reasons.PodNotRunning, $"pod {pod.Metadata.Name} is being deleted; only a running pod can be dumped"),
        { Status.Phase: "Running" } => null,
        _ => new TerminalException(
            Reasons.PodNotRunning, $"pod {pod.Metadata.Name} is {pod.Status?.Phase ?? "unknown"}; only a running pod can be dumped"),
    };

    private static PodCheckpointContent ContentFor(PodCheckpoint checkpoint, PodCheckpointStatus status) => new()
    {
        Metadata = new V1ObjectMeta { Name = ContentName(checkpoint), Finalizers = [WellKnown.ContentFinalizer] },
        Spec = new PodCheckpointContentSpec
        {
            PodCheckpointRef = new ClaimReference
            {
                NamespaceProperty = checkpoint.Metadata.NamespaceProperty!,
                Name = checkpoint.Metadata.Name!,
                Uid = checkpoint.Metadata.Uid,
            },
            DeletionPolicy = checkpoint.Spec.DeletionPolicy ?? DeletionPolicies.Delete,
            Source = new CheckpointSource
            {
                PodNamespace = checkpoint.Metadata.NamespaceProperty!,
                PodName = checkpoint.Spec.PodName,
                PodUID = status.PodUID!,
                NodeName = status.NodeName!,
                CheckpointID = status.CheckpointID!,
            },
        },
    };

    private IList<V1Condition> Condition(
        PodCheckpoint checkpoint, PodCheckpointStatus status, string value, string reason, string message) =>
        status.Conditions.With(ConditionTypes.Ready, value, reason, message, checkpoint.Metadata.Generation, Now);
}
