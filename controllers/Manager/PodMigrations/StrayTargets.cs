using System.Globalization;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Takes away target pods that came too late: their migrations have ended without them.</summary>
/// <remarks>
/// The API server may carry out a create long after the operator that sent it has died, when the migration has gone
/// back or its name is free again. Nothing is ever staged for such a pod, so that it would wait on its node for good.
/// </remarks>
internal sealed class StrayTargets(ICluster cluster, IEventRecorder events)
{
    /// <summary>An API server that carries out a create later than this has given it up: it takes a minute for
    /// one.</summary>
    private static readonly TimeSpan Latest = TimeSpan.FromMinutes(10);

    /// <summary>Whether a pod was made as a migration's target: by its label, and its name, which a pod that a user has
    /// made of a target's manifest does not share.</summary>
    public static bool IsTarget(V1Pod pod) =>
        pod.Metadata.Labels?.TryGetValue(WellKnown.MigrationUid, out var uid) == true
        && pod.Metadata.Name!.EndsWith(MigrationScope.TargetSuffix(uid), StringComparison.Ordinal);

    /// <summary>Whether a pod is a migration's target that has not run: only those are looked at.</summary>
    public static bool MayBe(V1Pod pod) =>
        pod.Metadata.DeletionTimestamp is null
        && IsTarget(pod)
        && pod.Metadata.Annotations?.ContainsKey(WellKnown.RestoreAnnotation) == true
        && !pod.LivingStatuses().Any(s => s.State?.Running is not null
            || s.State?.Terminated is not null
            || s.LastState?.Terminated is not null
            || s.RestartCount > 0);

    /// <summary>Deletes a target that never ran and whose migration is over; its migration's end asks again.</summary>
    /// <returns>Whether it is none, and stays: somebody has made it of a target's manifest, as kubectl replace does, or
    /// what brings back a backup.</returns>
    public async Task<bool> RemoveAsync(V1Pod pod, CancellationToken cancellationToken)
    {
        var uid = pod.Metadata.Labels![WellKnown.MigrationUid];
        var seen = cluster.ByIndex(Indexes.MigrationsByUid, uid).FirstOrDefault();
        if (seen is not null && seen.Status?.CompletionTime is null)
        {
            return false;
        }

        // As the API server has them: neither an end nor an absence may be one that is only seen so.
        var migration =
            seen is not null ? await cluster.ReadAsync<PodMigration>(ObjectKey.Of(seen), cancellationToken) : null;
        if (migration?.Metadata.Uid != uid)
        {
            migration = (await cluster.ListAsync<PodMigration>(cancellationToken))
                .FirstOrDefault(m => m.Metadata.Uid == uid);
        }

        if ((migration is null || (migration.Status?.CompletionTime is not null && !IsResult(migration, pod)))
            && await cluster.ReadAsync<V1Pod>(ObjectKey.Of(pod), cancellationToken) is { } now
            && now.Metadata.Uid == pod.Metadata.Uid && MayBe(now))
        {
            if (IsMadeAgain(now))
            {
                return true;
            }

            events.Record(now, "Warning", Reasons.RestoreFailed, "is removed: its migration has ended without it");
            await cluster.DeleteAsync(now, graceSeconds: null, cancellationToken);
        }

        return false;
    }

    private static bool IsMadeAgain(V1Pod pod) =>
        pod.Metadata.Annotations!.TryGetValue(WellKnown.RequestedAt, out var text)
        && DateTime.TryParse(
            text, CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal,
            out var requested)
        && pod.Metadata.CreationTimestamp - requested > Latest;

    private static bool IsResult(PodMigration migration, V1Pod pod) =>
        migration.Status is { Outcome: Outcomes.Restored } status && status.RestoredPodUID == pod.Metadata.Uid;
}
