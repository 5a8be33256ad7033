using System.Text.Json;
using System.Text.Json.Serialization;

namespace k8s.Models;

/// <summary>A name for the pods that its selector finds.</summary>
[KubernetesEntity(Kind = "Service", PluralName = "services")]
public sealed record V1Service : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = "v1";

    /// <inheritdoc/>
    public string Kind { get; init; } = "Service";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>spec says which pods, and on which ports.</summary>
    public V1ServiceSpec Spec { get; init; } = new();
}

/// <summary>Which pods a Service leads to. Fields that are not modelled are kept in <see cref="More"/>.</summary>
public sealed record V1ServiceSpec
{
    /// <summary>type is ClusterIP, NodePort, LoadBalancer or ExternalName.</summary>
    public string? Type { get; init; }

    /// <summary>selector, the labels that a pod must have; without one the endpoints
    /// are somebody else's work.</summary>
    public IDictionary<string, string>? Selector { get; init; }

    /// <summary>ports that the Service serves.</summary>
    public IList<V1ServicePort>? Ports { get; init; }

    /// <summary>publishNotReadyAddresses leads to pods that are not ready, too.</summary>
    public bool? PublishNotReadyAddresses { get; init; }

    /// <summary>Fields that this client does not model, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

/// <summary>One port of a Service.</summary>
public sealed record V1ServicePort
{
    /// <summary>name, where there are several.</summary>
    public string? Name { get; init; }

    /// <summary>protocol is TCP, UDP or SCTP.</summary>
    public string? Protocol { get; init; }

    /// <summary>port of the Service.</summary>
    public int Port { get; init; }

    /// <summary>targetPort of the pods: a number, or the name of a container's port; absent: as port.</summary>
    public JsonElement? TargetPort { get; init; }
}

/// <summary>Some of the endpoints of a Service, which the label kubernetes.io/service-name names.</summary>
[KubernetesEntity(Group = "discovery.k8s.io", Kind = "EndpointSlice", PluralName = "endpointslices")]
public sealed record V1EndpointSlice : IKubernetesObject<V1ObjectMeta>
{
    /// <summary>The label that names the Service.</summary>
    public const string ServiceName = "kubernetes.io/service-name";

    /// <inheritdoc/>
    public string ApiVersion { get; init; } = "discovery.k8s.io/v1";

    /// <inheritdoc/>
    public string Kind { get; init; } = "EndpointSlice";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>addressType is IPv4, IPv6 or FQDN.</summary>
    public string AddressType { get; init; } = "IPv4";

    /// <summary>endpoints, one per pod.</summary>
    public IList<V1Endpoint> Endpoints { get; init; } = [];

    /// <summary>ports of every endpoint.</summary>
    public IList<V1EndpointPort>? Ports { get; init; }
}

/// <summary>Where one pod of a Service is reached.</summary>
public sealed record V1Endpoint
{
    /// <summary>addresses, each of which leads to the pod.</summary>
    public IList<string> Addresses { get; init; } = [];

    /// <summary>conditions of the pod, as far as they count here.</summary>
    public V1EndpointConditions? Conditions { get; init; }

    /// <summary>nodeName is the node that the pod is on.</summary>
    public string? NodeName { get; init; }

    /// <summary>targetRef points at the pod.</summary>
    public V1ObjectReference? TargetRef { get; init; }
}

/// <summary>Whether an endpoint should be used.</summary>
public sealed record V1EndpointConditions
{
    /// <summary>ready to be used; absent: yes.</summary>
    public bool? Ready { get; init; }

    /// <summary>serving, also while it terminates.</summary>
    public bool? Serving { get; init; }

    /// <summary>terminating: it will go.</summary>
    public bool? Terminating { get; init; }
}

/// <summary>One port of endpoints.</summary>
public sealed record V1EndpointPort
{
    /// <summary>name, as the Service calls it.</summary>
    public string? Name { get; init; }

    /// <summary>protocol is TCP, UDP or SCTP.</summary>
    public string? Protocol { get; init; }

    /// <summary>port of the pod.</summary>
    public int? Port { get; init; }
}
