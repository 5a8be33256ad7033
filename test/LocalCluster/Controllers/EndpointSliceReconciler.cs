using System.Text.Json;
using k8s;
using k8s.Models;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.TestControllers;

/// <summary>One EndpointSlice per Service, of the pods that its selector finds.</summary>
internal sealed class EndpointSliceReconciler(ICluster cluster, IKubernetes kubernetes) : IReconciler
{
    public async Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        var name = new ObjectKey(key.Namespace, $"{key.Name}-bench");
        var standing = cluster.Find<V1EndpointSlice>(name);
        if (cluster.Find<V1Service>(key)
            is not { Spec: { Type: not "ExternalName", Selector: { Count: > 0 } selector } } service)
        {
            if (standing is not null)
            {
                await cluster.DeleteAsync(standing, graceSeconds: null, cancellationToken);
            }

            return ReconcileResult.Done;
        }

        var wanted = For(service, name, Endpoints(service, selector));
        if (standing is null)
        {
            await cluster.CreateOrGetAsync(wanted, cancellationToken);
        }
        else if (KubernetesJson.Serialize(standing.Endpoints) != KubernetesJson.Serialize(wanted.Endpoints)
            || KubernetesJson.Serialize(standing.Ports) != KubernetesJson.Serialize(wanted.Ports))
        {
            try
            {
                await kubernetes.ReplaceAsync(
                    standing with { Endpoints = wanted.Endpoints, Ports = wanted.Ports }, subresource: null,
                    cancellationToken);
            }
            catch (KubernetesException exception) when (exception.IsConflict || exception.IsNotFound)
            {
                throw new ConflictException($"EndpointSlice {name} has changed", exception);
            }
        }

        return ReconcileResult.Done;
    }

    private List<V1Endpoint> Endpoints(V1Service service, IDictionary<string, string> selector) =>
    [
        .. cluster.All<V1Pod>()
            .Where(p => p.Metadata.NamespaceProperty == service.Metadata.NamespaceProperty
                && p.Status is { Phase: not ("Succeeded" or "Failed"), PodIP.Length: > 0 }
                && selector.All(s => p.Metadata.Labels?.TryGetValue(s.Key, out var value) == true && value == s.Value))
            .OrderBy(p => p.Metadata.Uid, StringComparer.Ordinal)
            .Select(p => Of(p, service.Spec.PublishNotReadyAddresses == true)),
    ];

    /// <summary>A pod that terminates is not ready, and serves for as long as its own readiness says so.</summary>
    internal static V1Endpoint Of(V1Pod pod, bool alsoNotReady)
    {
        var (serving, terminating) = (pod.IsReady(), pod.Metadata.DeletionTimestamp is not null);
        return new V1Endpoint
        {
            Addresses = [pod.Status!.PodIP!],
            Conditions = new V1EndpointConditions
            {
                Ready = alsoNotReady || (serving && !terminating), Serving = serving, Terminating = terminating,
            },
            NodeName = pod.Spec.NodeName,
            TargetRef = new V1ObjectReference
            {
                Kind = "Pod",
                NamespaceProperty = pod.Metadata.NamespaceProperty, Name = pod.Metadata.Name, Uid = pod.Metadata.Uid,
            },
        };
    }

    private static V1EndpointSlice For(V1Service service, ObjectKey name, IList<V1Endpoint> endpoints) => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = name.Name,
            NamespaceProperty = name.Namespace,
            Labels = new Dictionary<string, string>
            {
                [V1EndpointSlice.ServiceName] = service.Metadata.Name!,
                ["endpointslice.kubernetes.io/managed-by"] = "endpointslice-controller.k8s.io",
            },
            OwnerReferences = [Pods.ReferenceTo(service)],
        },
        Endpoints = endpoints,
        // Ports by number; a container's port names are not looked up here.
        Ports =
        [
            .. (service.Spec.Ports ?? []).Select(p => new V1EndpointPort
            {
                Name = p.Name ?? "",
                Protocol = p.Protocol ?? "TCP",
                Port = p.TargetPort is { ValueKind: JsonValueKind.Number } target
                    && target.GetInt32() > 0 ? target.GetInt32() : p.Port,
            }),
        ],
    };
}
