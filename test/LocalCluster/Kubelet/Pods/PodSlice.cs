using System.Diagnostics;
using System.Globalization;
using k8s.Models;

namespace PodCheckpointing.TestKubelet.Pods;

/// <summary>The slice that systemd makes for a pod, where kubelet's cgroupDriver is systemd: its CgroupParent is one
/// then (kubepods.slice).</summary>
internal static class PodSlice
{
    private const string Suffix = ".slice";

    /// <summary>What the runtime is told of a pod's cgroup, under either driver.</summary>
    /// <remarks>With systemd's it is the slice's whole path, of which the runtime takes the last part.</remarks>
    public static string ParentOf(V1Pod pod, KubeletOptions options)
    {
        if (!IsUsed(options))
        {
            return $"{options.CgroupParent}/pod{pod.Metadata.Uid}";
        }

        var name = NameOf(pod, options);
        // Each dash is a level (systemd.slice(5)).
        var levels = Enumerable.Range(0, name.Length).Where(i => name[i] == '-').Select(i => name[..i] + Suffix);
        return "/" + string.Join('/', [.. levels, name]);
    }

    /// <summary>Makes it, with the limits of the whole pod.</summary>
    public static void Make(V1Pod pod, KubeletOptions options)
    {
        if (!IsUsed(options))
        {
            return;
        }

        var limits = pod.Spec.Containers.Select(c => Resource(c, "limits", "memory")).ToList();
        List<string> properties = ["Description", "s", $"pod {pod.Metadata.Name}"];
        if (limits.All(limit => limit is not null))
        {
            properties.AddRange(["MemoryMax", "t", Number(limits.Sum(limit => Quantity.Parse(limit!)))]);
        }

        if (options.PodPidsLimit > 0)
        {
            properties.AddRange(["TasksMax", "t", Number(options.PodPidsLimit)]);
        }

        Run(
            "busctl", [
                "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                "StartTransientUnit", "ssa(sv)a(sa(sv))", NameOf(pod, options), "replace",
                Number(properties.Count / 3), .. properties, "0",
            ]);
    }

    /// <summary>Takes it away.</summary>
    public static void Remove(V1Pod pod, KubeletOptions options)
    {
        if (IsUsed(options))
        {
            Run("systemctl", "stop", NameOf(pod, options));
        }
    }

    private static bool IsUsed(KubeletOptions options) =>
        options.CgroupParent.EndsWith(Suffix, StringComparison.Ordinal);

    // Below that of its quality of service; none of this bench's pods is Guaranteed.
    private static string NameOf(V1Pod pod, KubeletOptions options)
    {
        var asks = pod.Spec.Containers.Any(c => c.More?.ContainsKey("resources") == true);
        var quality = asks ? "burstable" : "besteffort";
        return $"{options.CgroupParent[..^Suffix.Length]}-{quality}-pod{pod.Metadata.Uid!.Replace('-', '_')}{Suffix}";
    }

    private static string? Resource(V1Container container, string kind, string name) =>
        container.More?.TryGetValue("resources", out var resources) == true
        && resources.TryGetProperty(kind, out var set) && set.TryGetProperty(name, out var amount)
            ? amount.ToString()
            : null;

    private static string Number(decimal number) => ((long)number).ToString(CultureInfo.InvariantCulture);

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new IOException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}");
        }
    }
}
