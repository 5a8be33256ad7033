using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.TestControllers;

/// <summary>Keeps as many pods as a ReplicaSet asks for, as kube-controller-manager does:
/// claims first, then counts.</summary>
internal sealed class ReplicaSetReconciler(ICluster cluster, Expectations expectations, TimeProvider time) : IReconciler
{
    public async Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (cluster.Find<V1ReplicaSet>(key) is not { } set)
        {
            expectations.Forget(key);
            await CollectAsync(key, cancellationToken);
            return ReconcileResult.Done;
        }

        // Asked before the pods are read: what is seen in between is then not counted twice.
        var settled = expectations.AreMet(key);
        var active = InNamespace(set).Where(p => p.IsActive()).ToList();
        var pods = new List<V1Pod>();
        foreach (var pod in active)
        {
            if (await ClaimAsync(set, pod, cancellationToken))
            {
                pods.Add(pod);
            }
        }

        if (settled && set.Metadata.DeletionTimestamp is null)
        {
            await ManageAsync(key, set, pods, active, cancellationToken);
        }

        var ready = pods.Count(p => p.IsReady());
        var status = new ReplicaSetStatus
        {
            ObservedGeneration = set.Metadata.Generation ?? 0, Replicas = pods.Count, FullyLabeledReplicas = pods.Count,
            ReadyReplicas = ready, AvailableReplicas = ready,
        };
        await cluster.PatchStatusAsync(set, set.Status, status, cancellationToken);
        return ReconcileResult.Done;
    }

    private IEnumerable<V1Pod> InNamespace(V1ReplicaSet set) =>
        cluster.All<V1Pod>().Where(p => p.Metadata.NamespaceProperty == set.Metadata.NamespaceProperty);

    private async Task<bool> ClaimAsync(V1ReplicaSet set, V1Pod pod, CancellationToken cancellationToken)
    {
        switch (Claims.Of(set, pod))
        {
            case Claim.Keep:
                return true;
            case Claim.Adopt:
                // As the server has it: its namesake may stand there by now.
                var now = await cluster.ReadAsync<V1ReplicaSet>(ObjectKey.Of(set), cancellationToken);
                if (now?.Metadata.Uid != set.Metadata.Uid || now!.Metadata.DeletionTimestamp is not null)
                {
                    throw new ConflictException($"{set.Metadata.Name} may not adopt any more");
                }

                await OwnAsync(pod, [.. pod.Metadata.OwnerReferences ?? [], Pods.ReferenceTo(set)], cancellationToken);
                return true;
            case Claim.Release:
                await OwnAsync(
                    pod, [.. pod.Metadata.OwnerReferences!.Where(r => r.Uid != set.Metadata.Uid)], cancellationToken);
                return false;
            default:
                return false;
        }
    }

    private Task OwnAsync(V1Pod pod, IList<V1OwnerReference> owners, CancellationToken cancellationToken) =>
        cluster.PatchMetadataAsync(
            pod,
            new JsonObject { ["ownerReferences"] = JsonSerializer.SerializeToNode(owners, KubernetesJson.Options) },
            cancellationToken);

    private async Task ManageAsync(
        ObjectKey key, V1ReplicaSet set, List<V1Pod> pods, List<V1Pod> active, CancellationToken cancellationToken)
    {
        var wanted = set.Spec.Replicas ?? 1;
        if (pods.Count == wanted)
        {
            return;
        }

        expectations.Begin(key);
        var nodes = pods.Select(p => p.Spec.NodeName).ToList();
        for (var i = pods.Count; i < wanted; i++)
        {
            var made = await cluster.CreateOrGetAsync(Make(set, nodes), cancellationToken);
            nodes.Add(made.Spec.NodeName);
            expectations.Add(key, made.Metadata.Uid!, made: true);
            // The informer may have been quicker than the answer.
            if (cluster.Find<V1Pod>(ObjectKey.Of(made)) is { } seen)
            {
                expectations.Saw(seen, gone: false);
            }
        }

        foreach (var pod in Surplus(set, pods, active, wanted))
        {
            expectations.Add(key, pod.Metadata.Uid!, made: false);
            await cluster.DeleteAsync(pod, graceSeconds: null, cancellationToken);
            if (cluster.Find<V1Pod>(ObjectKey.Of(pod))?.Metadata is not { DeletionTimestamp: null } now
                || now.Uid != pod.Metadata.Uid)
            {
                expectations.Saw(pod, gone: true);
            }

            Console.WriteLine(
                $"ReplicaSet {set.Metadata.Name} gives {pod.Metadata.Name} up: {pods.Count} pods, {wanted} wanted");
        }
    }

    private IEnumerable<V1Pod> Surplus(V1ReplicaSet set, List<V1Pod> pods, List<V1Pod> active, int wanted)
    {
        // Pods of all ReplicaSets of the same Deployment count as together.
        var family = Pods.ControllerOf(set) is { } owner
            ? cluster.All<V1ReplicaSet>()
                .Where(s => Pods.ControllerOf(s)?.Uid == owner.Uid)
                .Select(s => s.Metadata.Uid)
                .ToHashSet()
            : [set.Metadata.Uid];
        var perNode = active.Where(p => family.Contains(Pods.ControllerOf(p)?.Uid))
            .CountBy(p => p.Spec.NodeName ?? "")
            .ToDictionary();
        var order = new DeletionOrder(
            p => perNode.GetValueOrDefault(p.Spec.NodeName ?? ""), time.GetUtcNow().UtcDateTime);
        return pods.Order(order).Take(Math.Max(0, pods.Count - wanted)).ToList();
    }

    private V1Pod Make(V1ReplicaSet set, List<string?> nodes) => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = $"{set.Metadata.Name}-{Guid.NewGuid().ToString("N")[..5]}",
            NamespaceProperty = set.Metadata.NamespaceProperty,
            Labels = set.Spec.Template.Metadata.Labels,
            Annotations = set.Spec.Template.Metadata.Annotations,
            OwnerReferences = [Pods.ReferenceTo(set)],
        },
        Spec = set.Spec.Template.Spec with { NodeName = set.Spec.Template.Spec.NodeName ?? Node(nodes) },
    };

    // The bench has no scheduler: of the nodes that take pods the one with the fewest
    // of the set, then the fewest of all.
    private string? Node(List<string?> taken) => cluster.All<V1Node>()
        .Where(n => n.Spec?.Unschedulable != true
            && n.Status?.Conditions?.Any(c => c is { Type: "Ready", Status: "True" }) == true)
        .OrderBy(n => taken.Count(node => node == n.Metadata.Name))
        .ThenBy(n => cluster.All<V1Pod>().Count(p => p.IsActive() && p.Spec.NodeName == n.Metadata.Name))
        .ThenBy(n => n.Metadata.Name, StringComparer.Ordinal)
        .FirstOrDefault()?.Metadata.Name;

    /// <summary>The garbage collector's work: pods whose ReplicaSet is gone go too.</summary>
    private async Task CollectAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        foreach (var pod in cluster.All<V1Pod>().Where(p =>
            p.Metadata.NamespaceProperty == key.Namespace
            && Pods.ControllerOf(p) is { Kind: "ReplicaSet" } owner
            && owner.Name == key.Name).ToList())
        {
            await cluster.DeleteAsync(pod, graceSeconds: null, cancellationToken);
        }
    }
}
