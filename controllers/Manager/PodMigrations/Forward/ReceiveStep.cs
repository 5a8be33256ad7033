using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Creates the target pod, and waits until its containers wait for the checkpoint.</summary>
/// <remarks>
/// While the source still runs: scheduling, sandbox, network and volumes cost no downtime, and a target that cannot
/// start is found out before anything is stopped. Its name follows from the migration's uid: creating it again finds
/// the one that is there.
/// </remarks>
internal sealed class ReceiveStep(
    ICluster cluster, MigrationObjects objects, MigrationNodes nodes, ReceiverImages images, AgentCalls calls)
    : IMigrationStep
{
    public async Task<bool> RunAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.TargetPrepared))
        {
            return true;
        }

        if (!scope.Is(ConditionTypes.Checkpointed))
        {
            nodes.RequireSource(scope);
        }

        scope.Begin(Steps.Receive);
        scope.Phase(scope.Is(ConditionTypes.Checkpointed)
            ? MigrationPhases.Transferring
            : MigrationPhases.Pending, "the target pod is being prepared");
        var source = objects.RequireSource(scope);
        nodes.RequireTarget(scope);
        if (images.Choose(scope, source) is not { } chosen)
        {
            return scope.AwaitAnswer();
        }

        var target = await FindOrCreateAcceptedAsync(scope, source, chosen, cancellationToken);
        if (AskReceiver(scope, target) is not { } receiver)
        {
            return false;
        }

        if (!images.AreSame(scope, source, target, chosen))
        {
            return scope.AwaitAnswer();
        }

        if (scope.HasBegun(Steps.Hold))
        {
            RequireAddress(source, target, receiver.Addresses);
        }

        TellPrepared(scope, target);
        return true;
    }

    /// <exception cref="TerminalException">It is not this migration's, or was created as one that cannot be
    /// restored.</exception>
    private async Task<V1Pod> FindOrCreateAcceptedAsync(
        MigrationScope scope, V1Pod source, IReadOnlyList<TargetImage> chosen, CancellationToken cancellationToken)
    {
        var target = await FindOrCreateAsync(scope, source, chosen, cancellationToken);
        if (!MigrationObjects.IsTargetOf(target, scope))
        {
            throw new TerminalException(
                Reasons.RestoreFailed,
                $"a pod named {target.Metadata.Name} exists and is not this migration's: delete it");
        }

        scope.Status =
            scope.Status with { RestoredPodName = target.Metadata.Name, RestoredPodUID = target.Metadata.Uid };
        MigrationValidation.Refuse(
            MigrationValidation.OfAdmission(source, target) ?? MigrationValidation.OfReceiver(target));
        return target;
    }

    private Task<V1Pod> FindOrCreateAsync(
        MigrationScope scope, V1Pod source, IReadOnlyList<TargetImage> chosen, CancellationToken cancellationToken) =>
        objects.FindTarget(scope) is { } target ? Task.FromResult(target)
        // One that was there and has gone is not made again: whoever took it away would take the next one, too.
        : scope.Status.RestoredPodUID is not null ? objects.RequireTargetAsync(scope, cancellationToken)
        : cluster.CreateOrGetAsync(
            TargetPod.From(
                source, scope, ArtifactUri.ForPod(scope.Status.PodUID!, scope.CheckpointID).ToString(), chosen),
            cancellationToken);

    /// <returns>What the agent says of a target that waits for its checkpoint; null until it does.</returns>
    /// <exception cref="TerminalException">It never will.</exception>
    private GetRestoreResponse? AskReceiver(MigrationScope scope, V1Pod target)
    {
        var question = RestoreQuestion.UntilWaiting(target, target.LivingContainers().Select(c => c.Name));
        if (calls.Ask(
            scope, CallNames.Receive, scope.Status.TargetNode!,
            (agent, t) => agent.GetRestoreAsync(question, t)) is not { } receiver)
        {
            scope.AwaitAnswer();
            return null;
        }

        if (receiver.Containers.FirstOrDefault(c => c.Phase == RestorePhases.Failed) is { } failed)
        {
            throw new TerminalException(
                Reasons.RestoreFailed, $"container {failed.ContainerName} of the target cannot wait: {failed.Message}");
        }

        // It may be further, where an operator has died before it could say that the target waits.
        if (receiver.Containers.Any(c => RestorePhases.HasCome(c.Phase, RestorePhases.Waiting)))
        {
            return receiver;
        }

        calls.AskAgain(scope, CallNames.Receive);
        return null;
    }

    private static void TellPrepared(MigrationScope scope, V1Pod target)
    {
        scope.Set(
            ConditionTypes.TargetPrepared,
            true,
            Reasons.Succeeded,
            $"pod {target.Metadata.Name} stands at {scope.Status.TargetNode} and waits for the checkpoint");
        scope.End(Steps.Receive, "");
    }

    private static void RequireAddress(V1Pod source, V1Pod target, IEnumerable<string> addresses)
    {
        var (wanted, found) = (PodAddress.Of(source), addresses.ToList());
        if (wanted.Except(found).Any())
        {
            throw new TerminalException(
                Reasons.AddressNotKept,
                $"pod {target.Metadata.Name} has {(found.Count > 0 ? string.Join(", ", found) : "no address")}, not "
                + $"the source's {string.Join(", ", wanted)}: "
                + $"the network does not know annotation {PodAddress.OwnAddresses}");
        }
    }
}
