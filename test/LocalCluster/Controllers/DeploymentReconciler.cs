using System.Security.Cryptography;
using System.Text;
using k8s;
using k8s.Models;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.TestControllers;

/// <summary>One ReplicaSet per pod template. A new template's set is scaled up and the old ones down at once; rolling
/// is left out.</summary>
internal sealed class DeploymentReconciler(ICluster cluster) : IReconciler
{
    private const string Hash = "pod-template-hash";

    public async Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        var sets = cluster.All<V1ReplicaSet>().Where(s =>
            s.Metadata.NamespaceProperty == key.Namespace
            && Pods.ControllerOf(s) is { Kind: "Deployment" } owner
            && owner.Name == key.Name).ToList();
        if (cluster.Find<V1Deployment>(key) is not { } deployment)
        {
            foreach (var set in sets)
            {
                await cluster.DeleteAsync(set, graceSeconds: null, cancellationToken);
            }

            return ReconcileResult.Done;
        }

        var wanted = SetFor(deployment);
        var current = sets.Find(s => s.Metadata.Name == wanted.Metadata.Name)
            ?? await cluster.CreateOrGetAsync(wanted, cancellationToken);
        foreach (var set in sets.Where(s => s.Metadata.Uid != current.Metadata.Uid).Append(current))
        {
            var replicas = set.Metadata.Uid == current.Metadata.Uid ? deployment.Spec.Replicas ?? 1 : 0;
            await cluster.PatchSpecAsync(set, set.Spec, set.Spec with { Replicas = replicas }, cancellationToken);
        }

        var status = new DeploymentStatus
        {
            ObservedGeneration = deployment.Metadata.Generation ?? 0,
            Replicas = sets.Sum(s => s.Status?.Replicas ?? 0),
            UpdatedReplicas = current.Status?.Replicas ?? 0,
            ReadyReplicas = sets.Sum(s => s.Status?.ReadyReplicas ?? 0),
            AvailableReplicas = sets.Sum(s => s.Status?.AvailableReplicas ?? 0),
        };
        await cluster.PatchStatusAsync(deployment, deployment.Status, status, cancellationToken);
        return ReconcileResult.Done;
    }

    private static V1ReplicaSet SetFor(V1Deployment deployment)
    {
        var spec = deployment.Spec;
        var hash = Convert
            .ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(KubernetesJson.Serialize(spec.Template))))[..10];
        var labels = new Dictionary<string, string>(spec.Template.Metadata.Labels
            ?? new Dictionary<string, string>()) { [Hash] = hash };
        return new V1ReplicaSet
        {
            Metadata = new V1ObjectMeta
            {
                Name = $"{deployment.Metadata.Name}-{hash}",
                NamespaceProperty = deployment.Metadata.NamespaceProperty,
                Labels = labels,
                OwnerReferences = [Pods.ReferenceTo(deployment)],
            },
            Spec = new WorkloadSpec
            {
                Replicas = spec.Replicas ?? 1,
                Selector = new LabelSelector
                {
                    MatchLabels = new Dictionary<string, string>(spec.Selector.MatchLabels) { [Hash] = hash },
                },
                Template = spec.Template with { Metadata = spec.Template.Metadata with { Labels = labels } },
            },
        };
    }
}
