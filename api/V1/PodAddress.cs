using System.Text.Json;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>Whether a pod takes its address along when it moves.</summary>
/// <remarks>It does where it asks the network for it, and the network does not mind that
/// another pod has it still.</remarks>
public static class PodAddress
{
    /// <summary>Calico's annotation of a pod that has its addresses wherever it is, beside Calico's own address
    /// management: a JSON list. Calico takes it where feature_control.ip_addrs_no_ipam is true
    /// in its CNI configuration.</summary>
    public const string OwnAddresses = "cni.projectcalico.org/ipAddrsNoIpam";

    /// <summary>Annotations that ask for an address which the network gives to one pod at a time.</summary>
    private static readonly string[] GivenOnce = ["cni.projectcalico.org/ipAddrs", "ipam.antrea.io/pod-ips"];

    /// <summary>What networks write on a pod that they have connected. On another pod it would be a lie, and some take
    /// it for a request.</summary>
    private static readonly string[] WrittenByNetworks =
    [
        "cni.projectcalico.org/containerID", "cni.projectcalico.org/podIP", "cni.projectcalico.org/podIPs",
        "k8s.ovn.org/pod-networks", "k8s.v1.cni.cncf.io/network-status", "k8s.v1.cni.cncf.io/networks-status",
        "ovn.kubernetes.io/allocated",
        "ovn.kubernetes.io/ip_address", "ovn.kubernetes.io/mac_address", "ovn.kubernetes.io/routed",
    ];

    /// <summary>A pod's addresses, as kubelet reports them.</summary>
    public static IReadOnlyList<string> Of(V1Pod pod) =>
        pod.Status?.PodIPs is { Count: > 0 } all
            ? [.. all.Select(a => a.Ip).OfType<string>()]
            : pod.Status?.PodIP is { Length: > 0 } one ? [one] : [];

    /// <summary>Whether a copy of the pod has the same addresses, on whichever node.</summary>
    public static bool IsKept(V1Pod pod) => Of(pod) is { Count: > 0 } addresses && !addresses.Except(Asked(pod)).Any();

    /// <summary>Whether an annotation says what a network has done for this very pod.</summary>
    public static bool IsWrittenByNetwork(string annotation) => WrittenByNetworks.Contains(annotation);

    /// <summary>What of its address stands in the way of a pod's migration.</summary>
    public static IEnumerable<string> Obstacles(V1Pod pod, string? tcpPolicy)
    {
        foreach (var once in GivenOnce.Where(a => pod.Metadata.Annotations?.ContainsKey(a) == true))
        {
            yield return $"annotation {once} asks for an address that the network gives to one pod at a time, so "
                + "that the target would wait for it in vain; "
                + $"leave the address to the network, or use {OwnAddresses} where it knows that";
        }

        if (tcpPolicy == TcpPolicies.Established && !IsKept(pod))
        {
            var addresses = Of(pod) is { Count: > 0 } known ? string.Join(", ", known) : "an address";
            yield return $"tcpPolicy is Established, and pod {pod.Metadata.Name} would not have {addresses} at the "
                + "target: it does not ask for its own address; "
                + $"use tcpPolicy Close, or create it with annotation {OwnAddresses} on a network that knows that";
        }
    }

    private static IEnumerable<string> Asked(V1Pod pod)
    {
        try
        {
            return pod.Metadata.Annotations?.TryGetValue(OwnAddresses, out var list) == true
                ? JsonSerializer.Deserialize<string[]>(list) ?? []
                : [];
        }
        catch (JsonException)
        {
            return [];
        }
    }
}
