using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Where a migration goes, and whether it may begin already.</summary>
/// <remarks>Takes a slot; asking again takes no second one.</remarks>
internal sealed class TargetChoice(ICluster cluster, MigrationSlots slots, NodeInquiry inquiry, TimeProvider time)
{
    /// <summary>The node to go to, when the migration may begin; null while it waits,
    /// which its status then says.</summary>
    public async Task<string?> ChooseAsync(MigrationScope scope, V1Pod pod, CancellationToken cancellationToken)
    {
        var request =
            SlotRequest.Of(scope.Migration, pod, cluster, scope.Wake) with { Targets = () => inquiry.Candidates(
                scope, pod) };
        var answer = await slots.AskAsync(request, cancellationToken);
        if (answer.Target is null)
        {
            scope.Wait(answer.Message!);
        }
        else
        {
            // Also where an agent does not answer, a slot is held for no longer than timeoutSeconds.
            scope.StopWaiting();
            scope.Status = scope.Status with { StartTime = scope.Status.StartTime ?? time.GetUtcNow().UtcDateTime };
        }

        return answer.Target;
    }
}
