using k8s.Models;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>What a node may be in a migration.</summary>
[Flags]
internal enum NodeRoles
{
    /// <summary>A pod is moved away from it.</summary>
    Source = 1,

    /// <summary>A pod is moved to it.</summary>
    Target = 2,

    /// <summary>Either.</summary>
    Both = Source | Target,
}

/// <summary>What a node lacks by itself.</summary>
/// <param name="For">What the node cannot be for want of it.</param>
/// <param name="Reason">A word of <see cref="Reasons"/>.</param>
/// <param name="Message">What it is, and what to do about it.</param>
internal sealed record NodeLack(NodeRoles For, string Reason, string Message) : Obstacle(Reason, Message);

/// <summary>What the agents' answers show to stand in the way. Pure functions of them.</summary>
internal static class NodeObstacles
{
    /// <summary>The first CRIU whose library has crun read a file of options, which a dump for a migration depends on:
    /// an older one leaves the pod running.</summary>
    public const string LeastCriu = "4.2";

    /// <summary>The first crun that has CRIU read such a file; an older one says nothing of it.</summary>
    public const string LeastCrun = "1.26";

    /// <summary>What the source lacks, and what a look at the pod's processes and volumes shows there.</summary>
    public static IEnumerable<Obstacle> OfSource(V1Pod pod, string tcpPolicy, GetCapabilitiesResponse source)
    {
        foreach (var lack in Lacks(source).Where(lack => lack.For.HasFlag(NodeRoles.Source)))
        {
            yield return lack;
        }

        if (source.Pod is not { } seen)
        {
            yield break;
        }

        foreach (var obstacle in seen.Obstacles)
        {
            yield return new(Reasons.ProcessNotMigratable, obstacle);
        }

        if (tcpPolicy == TcpPolicies.Reject && seen.ConnectedSockets > 0)
        {
            yield return new(
                Reasons.EstablishedTcpConnections,
                $"tcpPolicy is Reject, and pod {pod.Metadata.Name} has {seen.ConnectedSockets} connected TCP "
                    + "sockets; have it close them, or use tcpPolicy: Close");
        }

        if (Freeze.StrictestProbeOf(pod) is { } strictest
            && Freeze.LeastFor(seen.MemoryBytes + seen.VolumeBytes) is var least
            && least > strictest.Allowed)
        {
            yield return new(
                Reasons.FreezeTooShort,
                $"{strictest.Probe} lets pod {pod.Metadata.Name} stand still for {strictest.Allowed.TotalSeconds:0} "
                + $"s, and to move {Quantity.OfBytes(seen.MemoryBytes + seen.VolumeBytes)} "
                + $"of memory and volumes takes at least {least.TotalSeconds:0.0} s; raise failureThreshold or "
                + "periodSeconds");
        }

        if (seen.MemoryBytes + seen.VolumeBytes > source.StoreFreeBytes)
        {
            yield return new(
                Reasons.NotEnoughSpace,
                $"a checkpoint of pod {pod.Metadata.Name} takes up to "
                + $"{Quantity.OfBytes(seen.MemoryBytes + seen.VolumeBytes)} "
                + $"(memory {Quantity.OfBytes(seen.MemoryBytes)}, volumes {Quantity.OfBytes(seen.VolumeBytes)}), and "
                + $"the checkpoint volume has {Quantity.OfBytes(source.StoreFreeBytes)} free");
        }

        // Older agents do not tell how much of that the runtime needs, or nothing.
        var room = source.DumpRoomBytes > 0 ? source.DumpRoomBytes : source.ArchiveFreeBytes;
        if (room > 0 && seen.MemoryBytes > room)
        {
            yield return new(
                Reasons.NotEnoughSpace,
                $"pod {pod.Metadata.Name} has {Quantity.OfBytes(seen.MemoryBytes)} of memory, and node "
                    + $"{source.NodeName} room for a dump of {Quantity.OfBytes(room)}, which the runtime and kubelet "
                    + "both write; make room there");
        }
    }

    /// <summary>What a node lacks by itself, whatever pod is moved away from it or to it.</summary>
    public static IEnumerable<NodeLack> OfNode(V1Node node, GetCapabilitiesResponse answer) =>
        Lacks(answer).Concat(OfRuntime(node).Concat(OfReadiness(node))
            .Select(lack => new NodeLack(NodeRoles.Target, lack.Reason, lack.Message)));

    /// <summary>That a node is not ready. A cordoned one may be, and pods can be moved away from it.</summary>
    public static IEnumerable<Obstacle> OfReadiness(V1Node node) =>
        AgentDirectory.IsReady(node) ? [] :
        [
            new(
                Reasons.NodeNotCapable,
                $"node {node.Metadata.Name} is not ready; see kubectl describe node {node.Metadata.Name}"),
        ];

    /// <summary>That two nodes have different volumes.</summary>
    public static string NotShared(string here, string there) =>
        $"nodes {here} and {there} do not see the same checkpoint volume; compare what findmnt shows of the "
            + "checkpoint folder on both";

    /// <summary>What a node's kubelet tells of its runtime.</summary>
    public static IEnumerable<Obstacle> OfRuntime(V1Node node) =>
        RestoreHandler.Obstacle(node) is { } lacks ? [lacks] : [];

    /// <summary>What the target lacks, by itself and beside the source.</summary>
    /// <param name="pod">The pod that moves.</param>
    /// <param name="source">What the source's agent says; null where it gave no answer.</param>
    /// <param name="target">What the target's agent says.</param>
    public static IEnumerable<Obstacle> OfTarget(
        V1Pod pod, GetCapabilitiesResponse? source, GetCapabilitiesResponse target) =>
        Lacks(target).Where(lack => lack.For.HasFlag(NodeRoles.Target))
            .Concat(source is null ? [] : BesideSource(pod, source, target))
            .Concat(TargetImages.Choose(pod, source?.Images ?? [], target.Images, target.NodeName)
                .Select(image => image.Obstacle).OfType<Obstacle>());

    private static IEnumerable<Obstacle> BesideSource(
        V1Pod pod, GetCapabilitiesResponse source, GetCapabilitiesResponse target)
    {
        var (here, there) = (source.NodeName, target.NodeName);
        var missing = CpuFeatures.Missing(source.Architecture, source.CpuFeatures, target.CpuFeatures);
        var memory = source.Pod?.MemoryBytes ?? 0;
        var volume = source.Pod?.LargestMemoryVolumeBytes ?? 0;
        (string Reason, bool Broken, string Message)[] both =
        [
            (
                Reasons.NodeNotCapable,
                source.Runtime != target.Runtime,
                $"nodes {here} and {there} have different runtimes: {source.Runtime}, {target.Runtime}"),
            (Reasons.StoreNotShared, source.StoreId != target.StoreId, NotShared(here, there)),
            (Reasons.StoreNotShared, source.StoreId == target.StoreId
                && source.StoreMark.Length > 0
                && !target.MarkFound,
                $"node {there} does not find what node {here} has just written to the checkpoint volume: it is a "
                    + "copy of it, or one of the two has lost its server"),
            (
                Reasons.CpuNotCompatible,
                source.Architecture != target.Architecture,
                $"nodes {here} and {there} have different architectures: {source.Architecture}, {target.Architecture}"),
            (Reasons.CpuNotCompatible, Differ(
                source.CpuVendor,
                target.CpuVendor),
                $"nodes {here} and {there} have processors of different makers: {source.CpuVendor}, "
                    + $"{target.CpuVendor}"),
            (Reasons.CpuNotCompatible, missing.Count
                > 0, $"the processor of node {there} lacks what that of node {here} has: {string.Join(" ", missing)}"),
            (Reasons.KernelTooOld, Versions.IsOlder(
                target.KernelVersion,
                source.KernelVersion,
                parts: 2),
                $"node {there} has kernel {target.KernelVersion}, older than {source.KernelVersion} of node {here}"),
            (Reasons.CriuTooOld, Versions.IsOlder(
                target.CriuVersion,
                source.CriuVersion,
                parts: 2),
                $"node {there} has CRIU {target.CriuVersion}, older than {source.CriuVersion} of node {here}"),
            (Reasons.NotEnoughSpace, memory > target.StagingFreeBytes,
                $"the memory of pod {pod.Metadata.Name} takes {Quantity.OfBytes(memory)}, and node {there} has "
                    + $"{Quantity.OfBytes(target.StagingFreeBytes)} free where it is staged"),
            (Reasons.NotEnoughSpace, volume > 0 && volume + StagingSpace.Spare > target.StagingFreeBytes,
                $"a volume in memory of pod {pod.Metadata.Name} holds {Quantity.OfBytes(volume)}, "
                    + $"which needs as much of node {there}'s disk on its way, with "
                    + $"{Quantity.OfBytes(StagingSpace.Spare)} to spare, and node {there} has "
                    + $"{Quantity.OfBytes(target.StagingFreeBytes)} free where it is staged; make room there"),
        ];
        return both.Where(c => c.Broken).Select(c => new Obstacle(c.Reason, c.Message));
    }

    private static IEnumerable<NodeLack> Lacks(GetCapabilitiesResponse node)
    {
        (NodeRoles For, bool Broken, string Message)[] all =
        [
            (NodeRoles.Both, OtherProtocol(node), OtherRelease(node)),
            (
                NodeRoles.Source, !node.KubeletCheckpoint,
                $"node {node.NodeName} cannot checkpoint: {node.KubeletMessage}"),
            (NodeRoles.Both, !node.FenceHook, NoHook(node.NodeName)),
            (
                NodeRoles.Target,
                !node.RestoreHandler,
                $"node {node.NodeName} has no restore handler; install the agent's files"),
            (NodeRoles.Both, node.RuntimeMessage.Length > 0, $"node {node.NodeName}: {node.RuntimeMessage}"),
            (NodeRoles.Both, Versions.IsOlder(node.RuntimeVersion, LeastCrun, parts: 2), OldCrun(node)),
            (NodeRoles.Both, node.CriuVersion.Length == 0
                || Versions.IsOlder(node.CriuVersion, LeastCriu, parts: 2), WrongCriu(node)),
        ];
        return all.Where(lack => lack.Broken)
            .Select(lack => new NodeLack(lack.For, Reasons.NodeNotCapable, lack.Message));
    }

    private static string OldCrun(GetCapabilitiesResponse node) =>
        $"node {node.NodeName} has crun {node.RuntimeVersion}, which hands CRIU no file of options: pods run on after "
        + $"a dump, and copies run before they may; install {LeastCrun} or newer (config/crio, config/containerd), and "
        + "restart the node's agent";

    private static string WrongCriu(GetCapabilitiesResponse node) =>
        $"node {node.NodeName} has {(node.CriuVersion.Length == 0 ? "no CRIU" : $"CRIU {node.CriuVersion}")}; "
        + $"install {LeastCriu} or newer, and its libcriu, which crun loads "
        + "and whose version no agent sees (config/crio, config/containerd), and restart the node's agent";

    private static bool OtherProtocol(GetCapabilitiesResponse node) =>
        node.ProtocolVersion != CheckpointServiceBase.ProtocolVersion;

    private static string OtherRelease(GetCapabilitiesResponse node) =>
        $"the agent of node {node.NodeName} ({node.AgentVersion}) speaks version {node.ProtocolVersion} of the "
        + "protocol, and the operator version "
        + $"{CheckpointServiceBase.ProtocolVersion}: install agents and operator of one release";

    private static string NoHook(string node) =>
        $"node {node}'s runtime has not run the fence hook since it was started; have CRI-O's hooks_dir list the "
        + "folder of checkpoint-fence.json, or containerd's "
        + "base_runtime_spec name the hook (this version's: an older one leaves no sign), restart the runtime, and "
        + "then the node's agent";

    private static bool Differ(string one, string other) => one.Length > 0 && other.Length > 0 && one != other;
}
