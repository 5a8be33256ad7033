using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using k8s.Models;

namespace PodCheckpointing.TestKubelet.Pods;

/// <summary>A pod's volumes as folders of the node, where kubelet has them.</summary>
internal static class Volumes
{
    private static readonly string[] Written = ["configMap", "secret", "downwardAPI", "projected"];

    /// <summary>Makes every volume of a pod, those that are files filled.</summary>
    /// <exception cref="NotSupportedException">A volume of a kind that this kubelet does not
    /// make; the message names it.</exception>
    public static void Prepare(V1Pod pod, PodSources sources, KubeletOptions options)
    {
        foreach (var volume in pod.Spec.Volumes ?? [])
        {
            var path = PathOf(pod, volume, sources, options);
            Directory.CreateDirectory(path);
            if (volume.EmptyDir is { Medium: "Memory" } memory && !IsMounted(path))
            {
                var size = memory.SizeLimit is { } limit ? $"size={(long)Quantity.Parse(limit)}" : "size=50%";
                Run("mount", "-t", "tmpfs", "-o", size, "tmpfs", path);
            }

            foreach (var source in SourcesOf(volume).Where(s => s.Kind != "persistentVolumeClaim"))
            {
                Fill(path, pod, source, sources, options);
            }
        }
    }

    /// <summary>Takes away what a pod's folders hold.</summary>
    public static void Remove(string podDirectory)
    {
        foreach (var mount in File.ReadAllLines("/proc/self/mounts").Select(line => line.Split(' ')[1])
            .Where(path => path.StartsWith(podDirectory + "/", StringComparison.Ordinal)))
        {
            Run("umount", mount);
        }

        if (Directory.Exists(podDirectory))
        {
            Directory.Delete(podDirectory, recursive: true);
        }
    }

    public static string PathOf(V1Pod pod, V1Volume volume, PodSources sources, KubeletOptions options)
    {
        if (volume.More?.TryGetValue("persistentVolumeClaim", out var claim) == true)
        {
            return sources.FolderOf(PodSources.Text(claim, "claimName"));
        }

        var kind = volume switch
        {
            { HostPath: { } host } => null,
            { EmptyDir: not null } => "empty-dir",
            { More: { } more } when Written.FirstOrDefault(more.ContainsKey) is { } written =>
                written.ToLowerInvariant(),
            _ => throw new NotSupportedException(
                $"volume {volume.Name}: this kubelet mounts emptyDir, hostPath, claims of local volumes, configMap, "
                    + "secret, downwardAPI and projected"),
        };
        return kind is null
            ? volume.HostPath!.Path
            : Path.Combine(PodMapping.PodDirectory(pod, options), "volumes", $"kubernetes.io~{kind}", volume.Name);
    }

    /// <summary>What a volume's files come from; the sources of a projected one each.</summary>
    public static IEnumerable<(string Kind, JsonElement Value)> SourcesOf(V1Volume volume)
    {
        foreach (var (kind, value) in volume.More ?? [])
        {
            if (kind != "projected")
            {
                yield return (kind, value);
                continue;
            }

            foreach (var source in value.GetProperty("sources").EnumerateArray().SelectMany(s => s.EnumerateObject()))
            {
                yield return (source.Name, source.Value);
            }
        }
    }

    private static void Fill(
        string path, V1Pod pod, (string Kind, JsonElement Value) source, PodSources sources, KubeletOptions options)
    {
        var items = source.Value.TryGetProperty("items", out var list) ? list.EnumerateArray().ToList() : null;
        switch (source.Kind)
        {
            case "configMap" or "secret":
                var secret = source.Kind == "secret";
                var name = PodSources.Text(
                    source.Value, source.Value.TryGetProperty("secretName", out _) ? "secretName" : "name");
                var data = sources.Find(secret ? "Secret" : "ConfigMap", name) ?? new Dictionary<string, byte[]>();
                foreach (var (key, file) in items?.Select(i => (PodSources.Text(i, "key"), PodSources.Text(i, "path")))
                    ?? data.Keys.Select(k => (k, k)))
                {
                    Write(path, file, data.TryGetValue(key, out var bytes)
                        ? bytes
                        : throw new NotSupportedException($"{source.Kind} {name} has no key {key}"));
                }

                break;
            case "downwardAPI":
                foreach (var item in items ?? [])
                {
                    var field = item.TryGetProperty("fieldRef", out var reference)
                        ? PodSources.Text(reference, "fieldPath")
                        : null;
                    Write(path, PodSources.Text(
                        item, "path"), Encoding.UTF8.GetBytes(PodSources.Field(pod, field, options)
                        ?? throw new NotSupportedException($"downwardAPI: this kubelet does not resolve \"{field}\"")));
                }

                break;
            default:
                throw new NotSupportedException($"this kubelet projects no {source.Kind}");
        }
    }

    private static void Write(string folder, string file, byte[] bytes)
    {
        var path = Path.GetFullPath(Path.Combine(folder, file));
        if (!path.StartsWith(folder + "/", StringComparison.Ordinal))
        {
            throw new NotSupportedException($"the path \"{file}\" leads out of its volume");
        }

        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, bytes);
    }

    private static bool IsMounted(string path) =>
        File.ReadAllLines("/proc/self/mounts").Any(line => line.Split(' ')[1] == path);

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new Win32Exception($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}");
        }
    }
}
