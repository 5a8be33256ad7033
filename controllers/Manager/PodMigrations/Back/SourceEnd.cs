using PodCheckpointing.Api.Protos;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Back;

/// <summary>Ends the source as any pod is ended, and has it proven.</summary>
/// <remarks>A source that is being deleted is not deleted again, lifting a fence that is lifted changes nothing, and
/// the runtime is asked until it has nothing left.</remarks>
internal sealed class SourceEnd(ICluster cluster, MigrationObjects objects, MigrationNodes nodes, AgentCalls calls)
{
    /// <returns>Whether it is gone; false while it ends, or its node is being asked.</returns>
    public async Task<bool> EndAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        var name = scope.Status.SourceNode!;
        var lost = await nodes.IsLostForCertainAsync(name, cancellationToken);
        if (objects.FindSource(scope) is { } source && (lost || source.Metadata.DeletionTimestamp is null))
        {
            await cluster.DeleteAsync(source, graceSeconds: lost ? 0 : null, cancellationToken);
            return false;
        }

        if (lost)
        {
            return true;
        }

        // It is terminating, so nothing starts its containers again: it may go on as far as its own end.
        var standing = objects.FindSource(scope) is not null;
        var lift = new UnfenceRequest { PodUid = scope.Status.PodUID, Holder = scope.Uid, Resume = standing };
        if (calls.Ask(scope, CallNames.End, name, (agent, t) => agent.UnfenceAsync(lift, t)) is null || standing)
        {
            return false;
        }

        // The object may have been deleted by force: the runtime knows.
        var proof = new CancelRestoreRequest
        {
            PodUid = scope.Status.PodUID,
            Reason = "the pod is started afresh at another node",
        };
        if (calls.Ask(
            scope, CallNames.EndProof, name, (agent, t) => agent.CancelRestoreAsync(proof, t)) is not { } answer)
        {
            return false;
        }

        if (answer.LiveContainers > 0)
        {
            calls.AskLater(scope, CallNames.EndProof);
        }

        return answer.LiveContainers == 0;
    }
}
