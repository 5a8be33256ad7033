using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Back;

/// <summary>Lets the source go on, or takes its fence away where it has gone.</summary>
/// <remarks>Lifting a fence that is lifted changes nothing. Where a fresh pod might take the source's place, that it
/// goes on is stored before it does.</remarks>
internal sealed class SourceResumption(
    ICluster cluster, MigrationObjects objects, MigrationNodes nodes, AgentCalls calls)
{
    /// <returns>Whether that is done; false while its node is being asked, or a fence is on its way.</returns>
    public async Task<bool> ResumeAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        var node = scope.Status.SourceNode!;
        scope.IsSourceLost = await nodes.IsLostForCertainAsync(node, cancellationToken);
        if (scope.IsSourceLost)
        {
            // Nobody lifts its fence any more. What tolerates every taint has its object still when the node is back,
            // and would stand there for good.
            if (scope.HasBegun(Steps.Fence) && objects.FindSource(scope) is { } left)
            {
                await cluster.DeleteAsync(left, graceSeconds: 0, cancellationToken);
            }

            return true;
        }

        // A fence that is on its way would stand for ever if it came after its lifting.
        if (calls.IsUnderWay(scope, CallNames.Fence))
        {
            return false;
        }

        if (scope.Migration.Spec.OnFailure == OnFailurePolicies.ColdStart && !scope.HasBegun(Steps.Resume))
        {
            scope.Begin(Steps.Resume);
            return false;
        }

        var source = objects.FindSource(scope)
            ?? await cluster.ReadAsync<V1Pod>(
                new ObjectKey(scope.Namespace, scope.Migration.Spec.PodName), cancellationToken);
        var request = new UnfenceRequest
        {
            PodUid = scope.Status.PodUID, Holder = scope.Uid, Resume = source?.Metadata.Uid == scope.Status.PodUID,
        };
        try
        {
            if (calls.Ask(scope, CallNames.Resume, node, (agent, t) => agent.UnfenceAsync(request, t)) is null)
            {
                return false;
            }
        }
        catch (AgentException refused) when (refused.Reason == Reasons.MigrationInProgress)
        {
            // It is fenced for somebody else, and that one's to let go: this migration never stopped it.
            scope.BelongsToAnother = true;
        }

        scope.End(Steps.Resume, "");
        if (source is { Metadata.DeletionTimestamp: null }
            && source.Metadata.Uid == scope.Status.PodUID
            && Handover.TakenBack(source) is { } patch)
        {
            await cluster.PatchMetadataAsync(source, patch, cancellationToken);
        }

        return true;
    }

    /// <summary>Containers that were dumped, and ended while they stood: what goes on of them
    /// begins without its memory.</summary>
    /// <remarks>The agent knows, who has lifted the fence under which nothing starts; where it does not, kubelet does,
    /// later. What ended before it could be dumped has ended by itself, as it would have without a migration.</remarks>
    public IReadOnlyList<string> EndedMeanwhile(MigrationScope scope)
    {
        // Of a source that is gone nothing starts again.
        if (scope.BelongsToAnother
            || objects.FindSource(scope) is not { } source
            || objects.FindCheckpoint(scope) is not { } checkpoint)
        {
            return [];
        }

        var answer = calls.Known<UnfenceResponse>(scope, CallNames.Resume);
        var statuses = source.LivingStatuses().ToDictionary(s => s.Name!);
        return
        [
            .. from content in objects.ContentsOf(checkpoint)
               let name = content.Spec.Source.ContainerName
               where content.Status is { LeftStopped: true, StoppedAt: { } stopped } && (answer is { Lifted: true }
                   ? !answer.ContainerNames.Contains(name)
                   : statuses.TryGetValue(name, out var status)
                       && (status.State?.Running is not { } running || running.StartedAt > stopped))
               orderby name
               select name,
        ];
    }
}
