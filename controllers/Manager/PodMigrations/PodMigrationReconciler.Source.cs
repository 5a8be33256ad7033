using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <content>The steps at the source: validate, fence, dump.</content>
internal sealed partial class PodMigrationReconciler
{
    private async Task<bool> ValidateAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.Validated))
        {
            return true;
        }

        scope.Begin(Steps.Validate);
        var spec = scope.Migration.Spec;
        Refuse(MigrationValidation.OfSpec(spec));
        Refuse(MigrationValidation.OfOthers(scope.Migration, cluster.Where(Indexes.MigrationsByPod, Indexes.Name(scope.Namespace, spec.PodName))));
        var pod = cluster.Find<V1Pod>(new ObjectKey(scope.Namespace, spec.PodName))
            ?? throw new TerminalException(Reasons.PodNotFound, $"pod {spec.PodName} does not exist in namespace {scope.Namespace}");
        if (spec.PodUID is { } pinned && pod.Metadata.Uid != pinned)
        {
            throw new TerminalException(Reasons.SourcePodReplaced, $"pod {spec.PodName} has uid {pod.Metadata.Uid}, not {pinned}");
        }

        Refuse(MigrationValidation.OfPod(pod));
        if (await TargetAsync(scope, pod, cancellationToken) is not { } target)
        {
            return false;
        }

        // It does not wait for others any more: its own time begins.
        scope.Status = scope.Status with { StartTime = scope.Status.StartTime ?? Now };
        var there = Ask(scope, "capabilities-target", target, (agent, t) => agent.GetCapabilitiesAsync(t));
        var here = Ask(scope, "capabilities-source", pod.Spec.NodeName!, (agent, t) => agent.GetCapabilitiesAsync(t));
        if (there is null || here is null)
        {
            scope.Phase(MigrationPhases.Pending, "asks the agents of both nodes what they can do");
            return false;
        }

        Refuse(MigrationValidation.OfNodes(here, there));
        scope.Status = scope.Status with
        {
            ObservedGeneration = scope.Migration.Metadata.Generation,
            PodUID = pod.Metadata.Uid,
            SourceNode = pod.Spec.NodeName,
            TargetNode = target,
            PodAccessible = true,
            RestoredPodName = scope.TargetPodName(pod),
        };
        scope.Set(ConditionTypes.Validated, true, Reasons.Succeeded, $"pod {spec.PodName} can move from {pod.Spec.NodeName} to {target}");
        scope.End(Steps.Validate, "");
        scope.Phase(MigrationPhases.Pending, "the migration is possible");
        // Stored before the first side effect: the pod and the nodes are chosen once.
        return false;
    }

    private Task<bool> FenceAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.SourceFenced))
        {
            return Task.FromResult(true);
        }

        scope.Begin(Steps.Fence);
        var request = new FenceRequest
        {
            PodNamespace = scope.Namespace,
            PodName = scope.Migration.Spec.PodName,
            PodUid = scope.Status.PodUID,
            Holder = scope.Uid,
            TcpPolicy = scope.TcpPolicy,
        };
        if (Ask(scope, "fence", scope.Status.SourceNode!, (agent, t) => agent.FenceAsync(request, t)) is { } fenced)
        {
            scope.Set(
                ConditionTypes.SourceFenced, true, Reasons.Succeeded,
                $"fenced on {scope.Status.SourceNode} at {fenced.FencedAt.ToDateTime():O}: no container of the pod starts there, and its dump leaves it stopped");
            scope.End(Steps.Fence, "");
        }

        return Task.FromResult(false);
    }

    private async Task<bool> CheckpointAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.Checkpointed))
        {
            return true;
        }

        scope.Begin(Steps.Checkpoint);
        scope.Phase(MigrationPhases.Checkpointing, "the source is being dumped");
        scope.Status = scope.Status with { PodCheckpointName = scope.CheckpointName, PodAccessible = false };
        var checkpoint = cluster.Find<PodCheckpoint>(new ObjectKey(scope.Namespace, scope.CheckpointName))
            ?? await cluster.CreateOrGetAsync(CheckpointFor(scope), cancellationToken);
        if (!checkpoint.IsControlledBy(scope.Migration))
        {
            throw new TerminalException(Reasons.BindingMismatch, $"PodCheckpoint {scope.CheckpointName} belongs to somebody else: delete it");
        }

        if (checkpoint.Status?.Error is { } error)
        {
            throw new TerminalException(error.Reason ?? Reasons.CheckpointFailed, error.Message ?? "the checkpoint failed");
        }

        // When every dump stands, the agent has sealed the checkpoint; its own object says so a moment later, for which
        // nobody waits while the pod stands still.
        var contents = Contents(checkpoint).ToList();
        if (checkpoint.Status?.Containers is not { Count: > 0 } all || contents.Count != all.Count)
        {
            return false;
        }

        if (contents.FirstOrDefault(c => c.Status?.LeftStopped != true) is { } running)
        {
            throw new TerminalException(
                Reasons.CheckpointFailed,
                $"container {running.Spec.Source.ContainerName} still ran after its dump, so a second live copy would come of it; see whether the node's CRIU reads leave-stopped");
        }

        var bytes = contents.Sum(c => c.Status!.CompressedSize ?? 0);
        scope.Status = scope.Status with { CheckpointBytes = bytes };
        scope.Set(ConditionTypes.Checkpointed, true, Reasons.CheckpointCompleted, $"{contents.Count} containers are dumped and stand still");
        scope.End(Steps.Checkpoint, $"{bytes} bytes");
        scope.Begin(Steps.Transfer);
        scope.Phase(MigrationPhases.Transferring, "the checkpoint goes to the target");
        return true;
    }

    private static PodCheckpoint CheckpointFor(MigrationScope scope) => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = scope.CheckpointName,
            NamespaceProperty = scope.Namespace,
            OwnerReferences = [Owners.ControllerReference(scope.Migration)],
            Finalizers = [WellKnown.CheckpointFinalizer],
        },
        Spec = new PodCheckpointSpec
        {
            PodName = scope.Migration.Spec.PodName,
            PodUID = scope.Status.PodUID,
            DeletionPolicy = DeletionPolicies.Delete,
        },
    };

    private static void Refuse((string Reason, string Message)? refusal)
    {
        if (refusal is { } why)
        {
            throw new TerminalException(why.Reason, why.Message);
        }
    }
}
