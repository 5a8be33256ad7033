using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Simulation;

/// <summary>What must be true of the world at every instant.</summary>
internal sealed class Invariants(SimulatedServer server, World world)
{
    public void Check()
    {
        if (!world.HasClones)
        {
            TwoCopies();
        }

        if (world.OwnAddress)
        {
            TwoAddresses();
        }
    }

    private void TwoCopies()
    {
        foreach (var name in world.Copies.SelectMany(c => c.Containers).Select(c => c.Name).Distinct())
        {
            if (world.Copies.Count(c => !c.IsDisowned
                && c.Containers.Any(p => p.Name == name && p.Life == Life.Running)) > 1)
            {
                world.Violations.Add($"two copies of {name} run");
            }
        }
    }

    /// <remarks>One whose create came when its migration was over has nobody who holds the address; it is taken away
    /// again. A pod that is started afresh has no connections left.</remarks>
    private void TwoAddresses()
    {
        if (server.All<V1Pod>().Any(p => p.Metadata.Annotations?.ContainsKey(WellKnown.RestoreAnnotation) == true
            && p.Metadata.Annotations.ContainsKey(PodAddress.OwnAddresses)
            && server.All<PodMigration>().Any(
                m => m.Metadata.Uid == p.Metadata.Labels?[WellKnown.MigrationUid]
                && m.Status is not { CompletionTime: not null }
                && m.Status?.Steps?.Any(s => s.Name == Steps.ColdStart) != true
                && world.Copies.Any(c => c.PodUid == p.Metadata.Uid && (c.Lives || c.Containers.Count == 0)
                    && !world.Nodes[c.Node].IsGone && !world.Nodes[c.Node].Holds.ContainsKey(m.Metadata.Uid!)
                    && world.Nodes[c.Node].Stages.GetValueOrDefault(c.PodUid)?.Go != true))))
        {
            world.Violations.Add("a target without its sockets answers for the address");
        }
    }
}
