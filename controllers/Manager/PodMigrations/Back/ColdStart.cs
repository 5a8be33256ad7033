using System.Text.Json;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Back;

/// <summary>Where the user wants it so: the source goes, and a fresh pod takes its place at the target.</summary>
/// <remarks>The source is not taken before the server has said that it would create the fresh pod. That the source goes
/// is stored before it does, and with it the fresh pod, whose name follows from the migration's uid:
/// creating it again finds the one that is there.</remarks>
internal sealed class ColdStart(
    ICluster cluster, MigrationNodes nodes, TargetRemoval removal, AddressRelease address, SourceEnd sourceEnd,
    WorkQueue queue, TimeProvider time)
{
    /// <summary>The longest that status.coldStartPod may be.</summary>
    private const int LongestPod = 65_536;

    /// <summary>In which a quota forgets a pod that is gone: the target may count in it for a moment.</summary>
    internal static readonly TimeSpan QuotaTime = TimeSpan.FromSeconds(5);

    /// <summary>After how long the server is asked again meanwhile.</summary>
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(1);

    /// <summary>Takes the target away, and says that the source goes.</summary>
    /// <returns>False where that cannot be, and the source is to go on: the fresh pod is too long to be kept in the
    /// status meanwhile, or the server refuses it.</returns>
    public async Task<bool> BeginAsync(
        MigrationScope scope, V1Condition rolledBack, V1Pod source, CancellationToken cancellationToken)
    {
        var fresh = TargetPod.Afresh(source, scope);
        var text = JsonSerializer.Serialize(fresh, KubernetesJson.Options);
        if (text.Length > LongestPod)
        {
            return false;
        }

        // A fresh pod may have the address at once.
        var cleared = await removal.RemoveAsync(scope, rolledBack.Message, cancellationToken)
            && await address.LetGoAsync(scope, cancellationToken);
        if (!cleared)
        {
            return true;
        }

        if (await WhyRefusedAsync(fresh, cancellationToken) is { } refusal)
        {
            return AwaitQuota(scope, rolledBack, refusal);
        }

        // Stored before the source goes, which is the last to know what the pod was.
        scope.Status = scope.Status with
        {
            ColdStartPod = text, RestoredPodName = fresh.Metadata.Name, RestoredPodUID = null, PodAccessible = false,
        };
        scope.Begin(Steps.ColdStart);
        scope.Phase(
            MigrationPhases.Finalizing,
            $"{rolledBack.Message}; the source is being removed, to start the pod afresh at {scope.Status.TargetNode}");
        return true;
    }

    /// <summary>From when it has begun on: the source goes, then the fresh pod comes.</summary>
    public async Task RunAsync(MigrationScope scope, V1Condition rolledBack, CancellationToken cancellationToken)
    {
        if (!scope.Is(ConditionTypes.SourceRemoved))
        {
            if (await sourceEnd.EndAsync(scope, cancellationToken))
            {
                scope.Set(ConditionTypes.SourceRemoved, true, Reasons.Succeeded, "the source pod is gone");
            }

            return;
        }

        V1Pod? pod;
        try
        {
            pod = await FindOrCreateAsync(scope, cancellationToken);
        }
        catch (KubernetesException refused) when (refused.IsNamespaceTerminating)
        {
            // The namespace waits for this migration's finalizer, and would do so for ever.
            TellLost(scope, rolledBack);
            return;
        }

        if (pod is not null && !MigrationObjects.IsTargetOf(pod, scope))
        {
            scope.Stall = new(
                Reasons.BindingMismatch,
                $"a pod named {pod.Metadata.Name} exists and is not this migration's: delete it");
            return;
        }

        var runs = pod?.LivingStatuses().Any() == true && pod.LivingStatuses().All(s => s.State?.Running is not null);
        var stuck = pod is null ? "it is gone again" : MigrationValidation.OfReceiver(pod)?.Message;
        scope.Status = scope.Status with { RestoredPodUID = pod?.Metadata.Uid ?? scope.Status.RestoredPodUID };
        if (!runs && stuck is null)
        {
            if (nodes.IsLost(scope.Status.TargetNode!) || nodes.IsSilent(scope.Status.TargetNode!))
            {
                scope.Stall = MigrationStalls.FreshSilent(scope);
            }

            return;
        }

        TellStarted(scope, rolledBack, runs, stuck);
    }

    private async Task<V1Pod?> FindOrCreateAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        var key = new ObjectKey(scope.Namespace, scope.Status.RestoredPodName!);
        return cluster.Find<V1Pod>(key) ?? (scope.Status.RestoredPodUID is not null
            ? await cluster.ReadAsync<V1Pod>(key, cancellationToken)
            : await cluster.CreateOrGetAsync(
                JsonSerializer.Deserialize<V1Pod>(scope.Status.ColdStartPod!, KubernetesJson.Options)!,
                cancellationToken));
    }

    /// <summary>Why the server would not create the fresh pod; null where it would. A source
    /// is not taken for nothing.</summary>
    private async Task<string?> WhyRefusedAsync(V1Pod fresh, CancellationToken cancellationToken)
    {
        try
        {
            await cluster.TryCreateAsync(fresh, cancellationToken);
            return null;
        }
        catch (KubernetesException refused)
        {
            // Also where a webhook has nobody behind its Service: the pod can go on where it stands. One that knows no
            // dry run says nothing about the pod.
            return refused.Message.Contains("does not support dry run", StringComparison.Ordinal)
                ? null
                : refused.Message;
        }
    }

    /// <returns>Whether it is waited for; false where it has been for long enough.</returns>
    private bool AwaitQuota(MigrationScope scope, V1Condition rolledBack, string refusal)
    {
        // What is left of a freeze that probes bound is for the way back.
        if (scope.Status.MaxFreezeSeconds is not null
            || (scope.Condition(ConditionTypes.Stalled)
                is { Status: "True", Reason: Reasons.RequestRefused, LastTransitionTime: { } since }
                && time.GetUtcNow().UtcDateTime - since >= QuotaTime))
        {
            // The words of both are kept for the end of the rollback.
            scope.Set(
                ConditionTypes.RolledBack, false, rolledBack.Reason!,
                $"{rolledBack.Message}; not started afresh at {scope.Status.TargetNode}, where the API server refuses "
                    + $"the pod: {refusal}");
            return false;
        }

        scope.Stall = new(Reasons.RequestRefused, refusal);
        queue.AddAfter(ObjectKey.Of(scope.Migration), Again);
        return true;
    }

    private void TellStarted(MigrationScope scope, V1Condition rolledBack, bool runs, string? stuck)
    {
        var message =
            $"{rolledBack.Message}; pod {scope.Status.RestoredPodName} was started afresh at "
                + $"{scope.Status.TargetNode}, its memory is lost"
                + (runs ? "" : $"; {stuck}");
        scope.End(Steps.ColdStart, "");
        End(scope, rolledBack, MigrationPhases.Completed, Outcomes.ColdStarted, runs, message);
    }

    private void TellLost(MigrationScope scope, V1Condition rolledBack) => End(
        scope, rolledBack, MigrationPhases.Failed, Outcomes.Lost, runs: false,
        $"{rolledBack.Message}; the source is gone, and no pod can be started afresh: namespace {scope.Namespace} is "
            + "being deleted");

    private void End(
        MigrationScope scope, V1Condition rolledBack, string phase, string outcome, bool runs, string message)
    {
        scope.Phase(phase, message);
        scope.Set(ConditionTypes.Ready, false, rolledBack.Reason!, message);
        scope.Status =
            scope.Status with
            {
                Outcome = outcome,
                PodAccessible = runs,
                CompletionTime = time.GetUtcNow().UtcDateTime,
            };
    }
}
