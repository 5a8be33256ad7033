using System.Runtime.ExceptionServices;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Manager.PodCheckpoints;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;
using k8s.Models;

namespace PodCheckpointing.Manager.ContainerCheckpoints;

/// <summary>Has one container dumped by its node's agent, into a content that stands before the first byte.</summary>
internal sealed class ContainerCheckpointReconciler(
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
        if (cluster.Find<ContainerCheckpoint>(key) is not { } checkpoint)
        {
            return ReconcileResult.Done;
        }

        var content = cluster.Find<ContainerCheckpointContent>(new ObjectKey(null, ContentName(checkpoint)));
        if (checkpoint.Metadata.DeletionTimestamp is not null && !await StaysAsync(checkpoint, cancellationToken))
        {
            return ReconcileResult.Done;
        }

        if (checkpoint.Status is { Ready: true } or { Error: not null })
        {
            // Written down: nobody asks for the answers any more.
            calls.Forget($"ccp/{checkpoint.Metadata.Uid}/");
            return ReconcileResult.Done;
        }

        if (!checkpoint.Has(WellKnown.CheckpointFinalizer))
        {
            await cluster.SetFinalizersAsync(checkpoint, checkpoint.With(WellKnown.CheckpointFinalizer), cancellationToken);
            return ReconcileResult.Done;
        }

        var status = checkpoint.Status ?? new ContainerCheckpointStatus();
        var next = status;
        AgentException? passing = null;
        try
        {
            next = await StepAsync(checkpoint, content, status, () => queue.Add(key), cancellationToken);
        }
        catch (Exception exception) when (Failures.TerminalReasonOf(exception) is { } reason)
        {
            next = Failed(checkpoint, status, reason, exception.Message);
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

        // Events drive it; the look is the net below them, and sees that a node is lost.
        return new ReconcileResult(next is { Ready: true } or { Error: not null } ? null : PodMigrationReconciler.Resync);
    }

    internal static string ContentName(ContainerCheckpoint checkpoint) => $"ccpc-{checkpoint.Metadata.Uid}";

    private async Task<ContainerCheckpointStatus> StepAsync(
        ContainerCheckpoint checkpoint,
        ContainerCheckpointContent? content,
        ContainerCheckpointStatus status,
        Action wake,
        CancellationToken cancellationToken)
    {
        var spec = checkpoint.Spec;
        var whole = await WholeAsync(checkpoint, cancellationToken);
        if (content is null)
        {
            // Read where it is not seen as it should be, for the view may lag behind, and what is said of it is said for good.
            var key = new ObjectKey(checkpoint.Metadata.NamespaceProperty, spec.PodName);
            var pod = cluster.Find<V1Pod>(key) is { } seen && seen.Metadata.Uid == spec.PodUID ? seen
                : await cluster.ReadAsync<V1Pod>(key, cancellationToken)
                ?? throw new TerminalException(Reasons.PodNotFound, $"pod {spec.PodName} does not exist");
            if (pod.Metadata.Uid != spec.PodUID)
            {
                throw new TerminalException(
                    Reasons.SourcePodReplaced, $"pod {spec.PodName} has uid {pod.Metadata.Uid}, not {spec.PodUID}");
            }

            content = await cluster.CreateOrGetAsync(ContentFor(checkpoint, pod), cancellationToken);
        }

        if (content.Spec.ContainerCheckpointRef.Uid != checkpoint.Metadata.Uid)
        {
            throw new TerminalException(
                Reasons.BindingMismatch, $"content {content.Metadata.Name} belongs to another ContainerCheckpoint");
        }

        status = status with
        {
            ObservedGeneration = checkpoint.Metadata.Generation,
            BoundContentName = content.Metadata.Name,
        };
        if (content.Status?.Ready == true)
        {
            return Ready(checkpoint, content, status);
        }

        var source = content.Spec.Source;
        var request = new CheckpointRequest
        {
            PodNamespace = source.PodNamespace,
            PodName = source.PodName,
            PodUid = source.PodUID,
            ContainerName = source.ContainerName,
            CheckpointId = source.CheckpointID,
        };
        // The agent that stores the last one seals the checkpoint: one way there and back less while the pod stands still.
        if (whole?.Status?.CheckpointID == source.CheckpointID)
        {
            request.SealContainers.AddRange(whole.Status.Containers);
            request.VolumeNames.AddRange(whole.Status.Volumes ?? []);
            request.FenceHolder = whole.Metadata.OwnerReferences?
                .FirstOrDefault(r => r is { Controller: true, Kind: nameof(PodMigration) })?.Uid ?? "";
        }

        var result = Dump(checkpoint, request, source.NodeName, IsOver(whole), wake);
        if (result is null)
        {
            // A migration tells by itself how far it is.
            return request.FenceHolder.Length > 0
                ? checkpoint.Status ?? new ContainerCheckpointStatus()
                // Why the last attempt failed stands there until one succeeds.
                : checkpoint.Status?.Conditions.Find(ConditionTypes.Ready) is { Reason: not Reasons.CheckpointInProgress }
                ? checkpoint.Status
                : Waiting(checkpoint, status, Reasons.CheckpointInProgress, $"node {source.NodeName} dumps the container");
        }

        var stored = StatusOf(content, result);
        stored = stored with
        {
            Conditions = stored.Conditions
                .WithBound(content, content.Spec.ContainerCheckpointRef, checkpoint, time)
                .With(
                    ConditionTypes.Ready, "True", Reasons.CheckpointCompleted, "the artifact is whole",
                    content.Metadata.Generation, time.GetUtcNow().UtcDateTime),
        };
        await cluster.PatchStatusAsync(content, content.Status, stored, cancellationToken);
        return Ready(checkpoint, content with { Status = stored }, status);
    }

    /// <summary>The checkpoint of the whole pod that this one is a part of; null where it is none.</summary>
    /// <exception cref="TerminalException">That has gone: it was created by a call that came late, and a dump would stop a pod
    /// for nobody, or for another migration than the one that holds its fence.</exception>
    private async Task<PodCheckpoint?> WholeAsync(ContainerCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        if (checkpoint.ControllerKey(nameof(PodCheckpoint)) is not { } owner)
        {
            return null;
        }

        return cluster.Find<PodCheckpoint>(owner) is { } seen && checkpoint.IsControlledBy(seen) ? seen
            : await cluster.ReadAsync<PodCheckpoint>(owner, cancellationToken) is { } whole && checkpoint.IsControlledBy(whole) ? whole
            : throw new TerminalException(Reasons.BindingMismatch, $"PodCheckpoint {owner.Name}, which this is a part of, has gone");
    }

    /// <summary>Whether a checkpoint was for a migration that is not its owner any more: nobody holds the pod for it, and a dump
    /// would stop one that serves.</summary>
    private static bool IsOver(PodCheckpoint? whole) =>
        whole?.Metadata.Labels?.ContainsKey(WellKnown.MigrationUid) == true && whole.ControllerKey(nameof(PodMigration)) is null;

    /// <summary>What the node's agent has stored; null while it does. Of a node that is lost, or a migration that is over, the
    /// volume may hold it whole, though nobody has heard of it: then any agent tells, for it answers from what stands there.</summary>
    /// <exception cref="TerminalException">The node was lost before, or the migration had its end.</exception>
    private CheckpointResponse? Dump(ContainerCheckpoint checkpoint, CheckpointRequest request, string node, bool isOver, Action wake)
    {
        var call = $"ccp/{checkpoint.Metadata.Uid}/";
        if (!isOver && !lostNodes.Contains(node))
        {
            var agent = agents.Require(node);
            return calls.Ask(call + "dump", t => agent.CheckpointAsync(request, t), wake);
        }

        if (calls.Known<CheckpointResponse>(call + "dump") is { } heard)
        {
            return heard;
        }

        var sought = new VerifyCheckpointRequest
        {
            ArtifactUri = ArtifactUri.ForContainer(request.PodUid, request.CheckpointId, request.ContainerName).ToString(), ManifestsOnly = true,
        };
        try
        {
            return calls.AskAny(call + "sought", agents, first: null, (other, t) => other.VerifyCheckpointAsync(sought, t), wake) is null
                ? null
                : calls.AskAny(call + "found", agents, first: null, (other, t) => other.CheckpointAsync(request, t), wake);
        }
        catch (AgentException exception) when (exception.IsTerminal)
        {
            throw isOver
                ? new TerminalException(Reasons.CheckpointFailed, "the migration that it was made for ended before the container was dumped", exception)
                : new TerminalException(Reasons.NodeLost, $"node {node} was lost before the container was dumped there", exception);
        }
    }

    internal static ContainerCheckpointContentStatus StatusOf(ContainerCheckpointContent content, CheckpointResponse result) =>
        (content.Status ?? new ContainerCheckpointContentStatus()) with
        {
            ObservedGeneration = content.Metadata.Generation,
            Ready = true,
            Size = (long)result.Size,
            CompressedSize = (long)result.CompressedSize,
            Digest = result.Digest,
            CompressedDigest = result.CompressedDigest,
            ImageReference = result.ImageReference,
            ImageID = result.ImageId,
            Runtime = result.Runtime,
            CriuVersion = result.CriuVersion,
            LeftStopped = result.LeftStopped,
            StoppedAt = result.StoppedAt.ToDateTime(),
            KubeletCallMicroseconds = (long)result.KubeletCallMicroseconds,
        };

    private static ContainerCheckpointContent ContentFor(ContainerCheckpoint checkpoint, V1Pod pod) => new()
    {
        Metadata = new V1ObjectMeta { Name = ContentName(checkpoint), Finalizers = [WellKnown.ContentFinalizer] },
        Spec = new ContainerCheckpointContentSpec
        {
            ContainerCheckpointRef = new ClaimReference
            {
                NamespaceProperty = checkpoint.Metadata.NamespaceProperty!,
                Name = checkpoint.Metadata.Name!,
                Uid = checkpoint.Metadata.Uid,
            },
            DeletionPolicy = checkpoint.Spec.DeletionPolicy ?? DeletionPolicies.Delete,
            Source = new CheckpointSource
            {
                PodNamespace = checkpoint.Metadata.NamespaceProperty!,
                PodName = pod.Metadata.Name!,
                PodUID = pod.Metadata.Uid!,
                NodeName = pod.Spec.NodeName ?? "",
                CheckpointID = checkpoint.Spec.CheckpointID,
                ContainerName = checkpoint.Spec.ContainerName,
            },
            ArtifactURI = ArtifactUri.ForContainer(
                pod.Metadata.Uid!, checkpoint.Spec.CheckpointID, checkpoint.Spec.ContainerName).ToString(),
        },
    };

    /// <summary>Whoever says Retain is heard: the claim, its content, or the content of the whole pod's checkpoint. So is who has
    /// given that to another claim, and its containers' contents with it.</summary>
    private async Task<bool> IsRetainedAsync(ContainerCheckpoint checkpoint, ContainerCheckpointContent content, CancellationToken cancellationToken)
    {
        if (Binding.IsRetained(checkpoint.Spec.DeletionPolicy, content.Spec.DeletionPolicy))
        {
            return true;
        }

        if (checkpoint.ControllerKey(nameof(PodCheckpoint)) is not { } key || cluster.Find<PodCheckpoint>(key) is not { } whole)
        {
            return false;
        }

        // Read, not looked up: bytes do not come back.
        var all = await cluster.ReadAsync<PodCheckpointContent>(new ObjectKey(null, PodCheckpointReconciler.ContentName(whole)), cancellationToken);
        return Binding.IsRetained(whole.Spec.DeletionPolicy, all?.Spec.DeletionPolicy)
            || (all is not null && all.Spec.PodCheckpointRef.Uid != whole.Metadata.Uid);
    }

    /// <summary>Lets one that is being deleted go.</summary>
    /// <returns>Whether it is made all the same: a migration that needs it would wait for it in vain, with its pod fenced.</returns>
    private async Task<bool> StaysAsync(ContainerCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        await ReleaseAsync(checkpoint, cancellationToken);
        return checkpoint.Has(WellKnown.CheckpointFinalizer) && checkpoint.ControllerKey(nameof(PodCheckpoint)) is { } owner
            && cluster.Find<PodCheckpoint>(owner) is { } whole && checkpoint.IsControlledBy(whole) && Owners.UserOf(whole, cluster) is not null;
    }

    /// <summary>The claim goes: with Delete the content and its bytes go too, with Retain both stay.</summary>
    private async Task ReleaseAsync(ContainerCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        if (!checkpoint.Has(WellKnown.CheckpointFinalizer))
        {
            return;
        }

        if (Owners.WhyNeeded(checkpoint, cluster) is { } why)
        {
            events.Record(checkpoint, "Warning", Reasons.InUse, why);
            return;
        }

        // Read, not looked up: one that has just been made and is not seen yet would be left behind.
        var content = await cluster.ReadAsync<ContainerCheckpointContent>(
            new ObjectKey(null, ContentName(checkpoint)), cancellationToken);
        if (content is not null && content.Spec.ContainerCheckpointRef.Uid == checkpoint.Metadata.Uid
            && !await IsRetainedAsync(checkpoint, content, cancellationToken))
        {
            // Its own reconciler removes the bytes, then the object; its end wakes us.
            if (content.Metadata.DeletionTimestamp is null)
            {
                await cluster.DeleteAsync(content, graceSeconds: null, cancellationToken);
            }

            return;
        }

        calls.Forget($"ccp/{checkpoint.Metadata.Uid}/");
        await cluster.SetFinalizersAsync(checkpoint, checkpoint.Without(WellKnown.CheckpointFinalizer), CancellationToken.None);
    }

    private ContainerCheckpointStatus Ready(
        ContainerCheckpoint checkpoint, ContainerCheckpointContent content, ContainerCheckpointStatus status) => status with
        {
            Ready = true,
            ArtifactURI = content.Spec.ArtifactURI,
            Size = content.Status!.CompressedSize,
            UncompressedSize = content.Status.Size,
            Digest = content.Status.CompressedDigest,
            UncompressedDigest = content.Status.Digest,
            Conditions = Condition(checkpoint, status, "True", Reasons.CheckpointCompleted, "the artifact is whole"),
        };

    private ContainerCheckpointStatus Waiting(
        ContainerCheckpoint checkpoint, ContainerCheckpointStatus status, string reason, string message) => status with
        {
            Ready = false,
            Conditions = Condition(checkpoint, status, "False", reason, message),
        };

    private ContainerCheckpointStatus Failed(
        ContainerCheckpoint checkpoint, ContainerCheckpointStatus status, string reason, string message) => status with
        {
            Ready = false,
            ObservedGeneration = checkpoint.Metadata.Generation,
            Error = new CheckpointError { Time = time.GetUtcNow().UtcDateTime, Reason = reason, Message = message },
            Conditions = Condition(checkpoint, status, "False", reason, message),
        };

    private IList<V1Condition> Condition(
        ContainerCheckpoint checkpoint, ContainerCheckpointStatus status, string value, string reason, string message) =>
        status.Conditions.With(
            ConditionTypes.Ready, value, reason, message, checkpoint.Metadata.Generation, time.GetUtcNow().UtcDateTime);
}
