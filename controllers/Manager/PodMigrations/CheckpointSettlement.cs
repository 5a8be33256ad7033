using System.Text.Json.Nodes;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>What is done with the checkpoint of a migration that has ended: it is
/// deleted, or given to nobody.</summary>
/// <remarks>One that is kept is nobody's part any more: the garbage collector would take it away with the migration.
/// Either way it is not the migration's afterwards, and not looked at again.</remarks>
internal sealed class CheckpointSettlement(ICluster cluster, MigrationObjects objects)
{
    public async Task SettleAsync(PodMigration migration, CancellationToken cancellationToken)
    {
        // As the server has it: it may have been created a moment before the end. Or after it, by a call that came
        // late, which is seen like any other change.
        var name = new ObjectKey(migration.Metadata.NamespaceProperty, MigrationScope.CheckpointNameFor(migration));
        var found = migration.HasFinalizer(WellKnown.MigrationFinalizer)
            ? await cluster.ReadAsync<PodCheckpoint>(name, cancellationToken)
            : cluster.Find<PodCheckpoint>(name);
        if (found is not { Metadata.DeletionTimestamp: null } checkpoint || !checkpoint.IsControlledBy(migration))
        {
            return;
        }

        var isLast = migration.Status!.Outcome == Outcomes.Lost && checkpoint.Status?.Error is null;
        // What is not whole would go on trying to be, and stop the pod that goes on.
        if (!isLast && (migration.Spec.CheckpointRetention != DeletionPolicies.Retain || !IsWhole(checkpoint)))
        {
            await cluster.DeleteAsync(checkpoint, graceSeconds: null, cancellationToken);
            return;
        }

        var metadata = new JsonObject { ["ownerReferences"] = null };
        if (isLast)
        {
            // No rule of retention takes the last that is left of a pod.
            metadata["annotations"] = new JsonObject { [WellKnown.Pinned] = "true" };
        }

        await cluster.PatchMetadataAsync(checkpoint, metadata, cancellationToken);
    }

    /// <summary>What people are told of it where it is the last that is left of the pod.</summary>
    public static string WhatIsKept(MigrationScope scope) =>
        $"PodCheckpoint {scope.CheckpointName} holds the pod as it was when it was dumped: kubectl podmigration "
        + $"restore {scope.CheckpointName} "
        + $"-n {scope.Namespace} -f FILE, where FILE is the pod's manifest, which no checkpoint holds";

    private bool IsWhole(PodCheckpoint checkpoint) =>
        checkpoint.Status is { Error: null, Containers: { Count: > 0 } all }
        && objects.ContentsOf(checkpoint).Count() == all.Count;
}
