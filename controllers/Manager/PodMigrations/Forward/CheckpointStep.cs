using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Creates the migration's PodCheckpoint, and waits until every container
/// is dumped and stands still.</summary>
/// <remarks>Its name follows from the migration's uid: creating it again finds the one that is there.</remarks>
internal sealed class CheckpointStep(
    ICluster cluster, MigrationObjects objects, MigrationNodes nodes, IAgentDirectory agents, AgentCalls calls)
    : IMigrationStep
{
    public async Task<bool> RunAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.Checkpointed))
        {
            return true;
        }

        scope.Begin(Steps.Checkpoint);
        scope.Phase(MigrationPhases.Checkpointing, "the source is being dumped");
        scope.Status = scope.Status with { PodCheckpointName = scope.CheckpointName, PodAccessible = false };
        StageAhead(scope);
        var checkpoint =
            objects.FindCheckpoint(scope) ?? await cluster.CreateOrGetAsync(CheckpointFor(scope), cancellationToken);
        if (!checkpoint.IsControlledBy(scope.Migration))
        {
            throw new TerminalException(
                Reasons.BindingMismatch, $"PodCheckpoint {scope.CheckpointName} belongs to somebody else: delete it");
        }

        if (checkpoint.Status?.Error is { } error)
        {
            throw new TerminalException(
                error.Reason ?? Reasons.CheckpointFailed, error.Message ?? "the checkpoint failed");
        }

        // When every dump stands, the agent has sealed the checkpoint; its own object says so a moment later, for which
        // nobody waits while the pod stands still.
        var contents = objects.ContentsOf(checkpoint).ToList();
        if (checkpoint.Status?.Containers is not { Count: > 0 } all || contents.Count != all.Count)
        {
            AwaitDumps(scope, checkpoint);
            return false;
        }

        if (contents.FirstOrDefault(c => c.Status?.LeftStopped != true) is { } running)
        {
            throw new TerminalException(
                Reasons.CheckpointFailed,
                $"container {running.Spec.Source.ContainerName} still ran after its dump, so a second live copy would "
                + $"come of it; see whether the node's crun is {NodeObstacles.LeastCrun} or newer and loads a libcriu "
                + $"that is {NodeObstacles.LeastCriu} or newer: others read no file of options (config/crio, "
                + "config/containerd)");
        }

        var bytes = contents.Sum(c => c.Status!.CompressedSize ?? 0);
        scope.Status = scope.Status with { CheckpointBytes = bytes };
        scope.Set(ConditionTypes.Checkpointed, true, Reasons.CheckpointCompleted, Dumped(contents.Count));
        scope.End(Steps.Checkpoint, $"{bytes} bytes");
        scope.Begin(Steps.Transfer);
        scope.Phase(MigrationPhases.Transferring, "the checkpoint goes to the target");
        return true;
    }

    internal static string Dumped(int containers) =>
        containers == 1
            ? "1 container is dumped and stands still"
            : $"{containers} containers are dumped and stand still";

    /// <summary>Says what the dumps wait for, where that needs somebody's help.</summary>
    private void AwaitDumps(MigrationScope scope, PodCheckpoint checkpoint)
    {
        // What was begun may stand on the volume whole, though nobody has heard of it:
        // the containers' checkpoints find out.
        var begun = cluster.ByIndex(Indexes.ContainerCheckpointsByOwner, checkpoint.Metadata.Uid!).Any(
            p => cluster.Find<ContainerCheckpointContent>(new ObjectKey(null, ContentNames.Of(p))) is not null);
        if (!begun)
        {
            nodes.RequireSource(scope);
        }

        scope.Stall = nodes.IsSilent(scope.Status.SourceNode!) ? MigrationStalls.DumpSilent(scope)
            : checkpoint.Status?.Conditions.Find(ConditionTypes.Ready)
                is { Reason: not (Reasons.Pending or Reasons.CheckpointInProgress) } why
            ? new(why.Reason!, why.Message!)
            : null;
    }

    /// <summary>The target's node begins to stage what the source's node is about to write, and restores it, stopped,
    /// as soon as that has been written: downtime that is saved. It runs only when preparing the restore has confirmed
    /// it, so that nobody has to know whether this came to anything.</summary>
    private void StageAhead(MigrationScope scope)
    {
        if (!scope.Is(ConditionTypes.TargetPrepared)
            || objects.FindTarget(scope) is not { } target
            || agents.Find(scope.Status.TargetNode!) is null)
        {
            return;
        }

        foreach (var container in target.LivingContainers().Select(c => c.Name))
        {
            var request = new StageAheadRequest
            {
                PodUid = target.Metadata.Uid,
                ContainerName = container,
                ArtifactUri = ArtifactUri.ForContainer(scope.Status.PodUID!, scope.CheckpointID, container).ToString(),
                // Volumes are taken when all containers stand, and have to be in place before any is restored.
                PodNamespace = target.EmptyDirs().Count == 0 ? scope.Namespace : "",
            };
            calls.Ask(scope, CallNames.StageAhead(container), scope.Status.TargetNode!, async (agent, t) =>
            {
                try
                {
                    return await agent.StageAheadAsync(request, t);
                }
                catch (AgentException)
                {
                    return new StageAheadResponse();
                }
            });
        }
    }

    private static PodCheckpoint CheckpointFor(MigrationScope scope) => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = scope.CheckpointName,
            NamespaceProperty = scope.Namespace,
            Labels = new Dictionary<string, string> { [WellKnown.MigrationUid] = scope.Uid },
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
}
