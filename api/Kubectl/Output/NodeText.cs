using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Kubectl.Output;

/// <summary>What is told of a node, in words and columns.</summary>
internal static class NodeText
{
    public static V1Condition? Ready(CheckpointNode node) => (node.Status?.Conditions).Find(ConditionTypes.Ready);

    public static bool IsReady(CheckpointNode node) => (node.Status?.Conditions).IsTrue(ConditionTypes.Ready);

    /// <summary>What one wants to know of a node, label and value.</summary>
    public static IReadOnlyList<(string Label, string Value)> Facts(CheckpointNode node, DateTime now)
    {
        var (status, ready) = (node.Status ?? new CheckpointNodeStatus(), Ready(node));
        (string, string?)[] facts =
        [
            ("Node", node.Metadata.Name),
            ("Ready", ready is null
                ? "Unknown"
                : $"{ready.Status}, {ready.Reason}, for {Amounts.Age(ready.LastTransitionTime, now)}"),
            ("Message", ready?.Message ?? "the operator has not asked its agent yet"),
            ("Remedy", Remedies.Of(ready?.Reason)),
            ("Agent", status.AgentVersion),
            ("Runtime", status.RuntimeVersion),
            ("CRIU", status.CriuVersion),
            ("Kernel", status.KernelVersion),
            ("Processor", $"{status.Architecture} {status.CpuVendor}".Trim()),
            ("Volume", status.StoreID is { } volume
                ? $"{volume}, about {Amounts.Bytes(status.StoreFreeBytes)} free"
                : ""),
            ("Staging", About(status.StagingFreeBytes)),
            ("Archives", About(status.ArchiveFreeBytes)),
        ];
        return [.. facts.Where(fact => !string.IsNullOrEmpty(fact.Item2)).Select(fact => (fact.Item1, fact.Item2!))];
    }

    /// <summary>The columns of a list.</summary>
    public static TextTable List(IEnumerable<CheckpointNode> nodes, bool wide, DateTime now)
    {
        string[] last = wide ? ["ARCH", "CPU", "VOLUME", "VOLUME-FREE", "STAGING-FREE", "MESSAGE"] : [];
        var table = new TextTable(["NAME", "READY", "REASON", "AGENT", "RUNTIME", "CRIU", "KERNEL", "AGE", .. last]);
        foreach (var node in nodes)
        {
            var (status, ready) = (node.Status ?? new CheckpointNodeStatus(), Ready(node));
            string?[] end = wide
                ? [status.Architecture, status.CpuVendor, status.StoreID, Amounts
                    .Bytes(status.StoreFreeBytes), Amounts.Bytes(status.StagingFreeBytes), ready?.Message]
                : [];
            table.Add(
            [
                node.Metadata.Name, ready?.Status ?? "Unknown",
                ready?.Reason, status.AgentVersion, status.RuntimeVersion, status.CriuVersion, status.KernelVersion,
                Amounts.Age(node.Metadata.CreationTimestamp, now), .. end,
            ]);
        }

        return table;
    }

    private static string About(long? bytes) => bytes is null ? "" : $"about {Amounts.Bytes(bytes)} free";
}
