using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodCheckpoints;

/// <summary>The ContainerCheckpoints that PodCheckpoints own: one for each container.</summary>
internal sealed class OwnedContainerCheckpoints(ICluster cluster)
{
    /// <summary>Those that a PodCheckpoint has, as last seen.</summary>
    public List<ContainerCheckpoint> Of(PodCheckpoint checkpoint) =>
        [.. cluster.ByIndex(Indexes.ContainerCheckpointsByOwner, checkpoint.Metadata.Uid!)];

    /// <summary>One for each container of a PodCheckpoint that has its name; those that are missing are
    /// created.</summary>
    /// <exception cref="TerminalException">A name is taken by somebody else's.</exception>
    public async Task<List<ContainerCheckpoint>> EnsureAsync(
        PodCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        var owned = Of(checkpoint);
        var containers = new List<ContainerCheckpoint>();
        foreach (var name in checkpoint.Status!.Containers ?? [])
        {
            // Whatever it is called: an earlier operator may have made it.
            var container = owned.Find(c => c.Spec.ContainerName == name)
                ?? await cluster.CreateOrGetAsync(For(checkpoint, name), cancellationToken);
            containers.Add(container.IsControlledBy(checkpoint)
                ? container
                : throw new TerminalException(
                    Reasons.BindingMismatch,
                    $"ContainerCheckpoint {container.Metadata.Name} exists and belongs to somebody else: delete it"));
        }

        return containers;
    }

    /// <summary>Deletes those of them that are not being deleted yet.</summary>
    public async Task DeleteAsync(IEnumerable<ContainerCheckpoint> containers, CancellationToken cancellationToken)
    {
        foreach (var container in containers.Where(c => c.Metadata.DeletionTimestamp is null))
        {
            await cluster.DeleteAsync(container, graceSeconds: null, cancellationToken);
        }
    }

    private static ContainerCheckpoint For(PodCheckpoint checkpoint, string container) => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = NameFor(checkpoint, container),
            NamespaceProperty = checkpoint.Metadata.NamespaceProperty,
            OwnerReferences = [Owners.ControllerReference(checkpoint)],
            Finalizers = [WellKnown.CheckpointFinalizer],
        },
        Spec = new ContainerCheckpointSpec
        {
            PodName = checkpoint.Spec.PodName,
            ContainerName = container,
            PodUID = checkpoint.Status!.PodUID!,
            CheckpointID = checkpoint.Status.CheckpointID!,
            DeletionPolicy = checkpoint.Spec.DeletionPolicy,
        },
    };

    /// <summary>By the uid, for names run into one: a with b-c, and a-b with c. And short enough, however long both
    /// are.</summary>
    private static string NameFor(PodCheckpoint checkpoint, string container) =>
        $"{MigrationScope.Shortened(checkpoint.Metadata.Name!)}-{checkpoint.Metadata.Uid![..8]}-{container}";
}
