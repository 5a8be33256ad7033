using System.Globalization;
using System.Text;
using System.Text.Json;
using k8s.Models;
using Runtime.V1;

namespace PodCheckpointing.TestKubelet.Pods;

/// <summary>Says a pod in the words of CRI, as kubelet does.</summary>
internal static class PodMapping
{
    /// <summary>The command of a container's preStop hook; none where it has no such hook.</summary>
    public static IReadOnlyList<string> PreStop(V1Container container) =>
        container.More?.TryGetValue("lifecycle", out var hooks) == true && hooks.TryGetProperty("preStop", out var hook)
        && hook.TryGetProperty("exec", out var exec) && exec.TryGetProperty("command", out var command)
            ? [.. command.EnumerateArray().Select(word => word.GetString()!)]
            : [];

    public static PodSandboxConfig Sandbox(V1Pod pod, KubeletOptions options)
    {
        var config = new PodSandboxConfig
        {
            Metadata = new PodSandboxMetadata
            {
                Name = pod.Metadata.Name,
                Namespace = pod.Metadata.NamespaceProperty,
                Uid = pod.Metadata.Uid,
            },
            // A pod on the node's network has the node's name, and may not set one.
            Hostname = pod.Spec.HostNetwork == true ? "" : pod.Metadata.Name,
            LogDirectory = LogDirectory(pod, options),
            Linux = new LinuxPodSandboxConfig
            {
                CgroupParent = PodSlice.ParentOf(pod, options),
                SecurityContext = new LinuxSandboxSecurityContext { NamespaceOptions = Namespaces(pod) },
            },
        };
        AddLabels(config.Labels, pod, container: null);
        foreach (var (key, value) in pod.Metadata.Annotations ?? new Dictionary<string, string>())
        {
            config.Annotations[key] = value;
        }

        return config;
    }

    public static ContainerConfig Container(
        V1Pod pod, V1Container container, int attempt, PodSources sources, KubeletOptions options)
    {
        var config = new ContainerConfig
        {
            Metadata = new ContainerMetadata { Name = container.Name, Attempt = (uint)attempt },
            Image = new ImageSpec { Image = container.Image },
            WorkingDir = container.WorkingDir ?? "",
            LogPath = $"{container.Name}/{attempt}.log",
            Tty = container.Tty == true,
            Linux = new LinuxContainerConfig { Resources = Resources(container), SecurityContext = Security(
                pod, container) },
        };
        config.Command.AddRange(container.Command ?? []);
        config.Args.AddRange(container.Args ?? []);
        foreach (var (key, value) in Environment(pod, container, sources, options))
        {
            config.Envs.Add(new KeyValue { Key = key, Value = value });
        }

        AddLabels(config.Labels, pod, container.Name);
        config.Annotations["io.kubernetes.container.restartCount"] = attempt.ToString(CultureInfo.InvariantCulture);
        config.Annotations["io.kubernetes.container.terminationMessagePath"] = "/dev/termination-log";
        AddMounts(config, pod, container, attempt, sources, options);
        return config;
    }

    public static string PodDirectory(V1Pod pod, KubeletOptions options) =>
        Path.Combine(options.RootDirectory, "pods", pod.Metadata.Uid!);

    public static string LogDirectory(V1Pod pod, KubeletOptions options) =>
        Path.Combine(
            options.PodLogsDirectory, $"{pod.Metadata.NamespaceProperty}_{pod.Metadata.Name}_{pod.Metadata.Uid}");

    private static NamespaceOption Namespaces(V1Pod pod) => new()
    {
        Network = pod.Spec.HostNetwork == true ? NamespaceMode.Node : NamespaceMode.Pod,
        Pid = pod.Spec.HostPID == true ? NamespaceMode.Node : NamespaceMode.Container,
    };

    private static void AddLabels(IDictionary<string, string> labels, V1Pod pod, string? container)
    {
        labels["io.kubernetes.pod.name"] = pod.Metadata.Name!;
        labels["io.kubernetes.pod.namespace"] = pod.Metadata.NamespaceProperty!;
        labels["io.kubernetes.pod.uid"] = pod.Metadata.Uid!;
        if (container is not null)
        {
            labels["io.kubernetes.container.name"] = container;
        }
    }

    private static IEnumerable<(string Key, string Value)> Environment(
        V1Pod pod, V1Container container, PodSources sources, KubeletOptions options)
    {
        if (container.More?.TryGetValue("envFrom", out var all) == true)
        {
            foreach (var source in all.EnumerateArray())
            {
                var secret = source.TryGetProperty("secretRef", out var reference);
                var name = PodSources.Text(secret ? reference : source.GetProperty("configMapRef"), "name");
                foreach (var (key, value) in sources.Find(secret ? "Secret" : "ConfigMap", name)
                    ?? new Dictionary<string, byte[]>())
                {
                    yield return (PodSources.Text(source, "prefix") + key, Encoding.UTF8.GetString(value));
                }
            }
        }

        foreach (var variable in container.Env ?? [])
        {
            if (variable.Value is { } value)
            {
                yield return (variable.Name, value);
            }
            else if (variable.More?.TryGetValue("valueFrom", out var from) != true)
            {
                yield return (variable.Name, "");
            }
            else if (ValueFrom(from, pod, sources, options) is { } found)
            {
                yield return (variable.Name, found);
            }
            else
            {
                throw new NotSupportedException(
                    $"env {variable.Name}: this kubelet resolves no such valueFrom, or its key is absent");
            }
        }
    }

    private static string? ValueFrom(JsonElement from, V1Pod pod, PodSources sources, KubeletOptions options)
    {
        if (from.TryGetProperty("fieldRef", out var field))
        {
            return PodSources.Field(pod, PodSources.Text(field, "fieldPath"), options);
        }

        var secret = from.TryGetProperty("secretKeyRef", out var reference);
        return (secret || from.TryGetProperty("configMapKeyRef", out reference))
            && sources.Find(secret ? "Secret" : "ConfigMap", PodSources.Text(reference, "name")) is { } data
            && data.TryGetValue(PodSources.Text(reference, "key"), out var bytes)
                ? Encoding.UTF8.GetString(bytes)
                : null;
    }

    private static LinuxContainerResources Resources(V1Container container)
    {
        var result = new LinuxContainerResources { OomScoreAdj = 1000, CpuShares = 2 };
        if (container.More?.TryGetValue("resources", out var resources) != true)
        {
            return result;
        }

        if (resources.TryGetProperty("requests", out var requests) && requests.TryGetProperty("cpu", out var share))
        {
            result.CpuShares = Math.Max(2, (long)(Quantity.Parse(share.ToString()) * 1024));
        }

        if (resources.TryGetProperty("limits", out var limits))
        {
            if (limits.TryGetProperty("memory", out var memory))
            {
                result.MemoryLimitInBytes = (long)Quantity.Parse(memory.ToString());
            }

            if (limits.TryGetProperty("cpu", out var cpu))
            {
                result.CpuPeriod = 100_000;
                result.CpuQuota = (long)(Quantity.Parse(cpu.ToString()) * result.CpuPeriod);
            }
        }

        return result;
    }

    private static LinuxContainerSecurityContext Security(V1Pod pod, V1Container container)
    {
        var result = new LinuxContainerSecurityContext { NamespaceOptions = Namespaces(pod) };
        // The container's word counts before the pod's.
        foreach (var context in new[] { pod.Spec.More?.GetValueOrDefault("securityContext"),
            container.More?.GetValueOrDefault("securityContext") })
        {
            foreach (var setting in context is { ValueKind: JsonValueKind.Object } set ? set.EnumerateObject() : [])
            {
                switch (setting.Name)
                {
                    case "runAsUser":
                        result.RunAsUser = new Int64Value { Value = setting.Value.GetInt64() };
                        break;
                    case "readOnlyRootFilesystem":
                        result.ReadonlyRootfs = setting.Value.GetBoolean();
                        break;
                    case "privileged":
                        result.Privileged = setting.Value.GetBoolean();
                        break;
                    case "capabilities":
                        result.Capabilities = new Capability();
                        result.Capabilities.AddCapabilities.AddRange(Names(setting.Value, "add"));
                        result.Capabilities.DropCapabilities.AddRange(Names(setting.Value, "drop"));
                        break;
                    case "runAsGroup":
                        result.RunAsGroup = new Int64Value { Value = setting.Value.GetInt64() };
                        break;
                    case "fsGroup":
                        result.SupplementalGroups.Add(setting.Value.GetInt64());
                        break;
                    case "allowPrivilegeEscalation":
                        result.NoNewPrivs = !setting.Value.GetBoolean();
                        break;
                    case "seccompProfile":
                        result.Seccomp = new SecurityProfile
                        {
                            ProfileType = PodSources.Text(setting.Value, "type") switch
                            {
                                "RuntimeDefault" => ProfileType.RuntimeDefault,
                                "Unconfined" => ProfileType.Unconfined,
                                var other => throw new NotSupportedException(
                                    $"seccompProfile {other}: this kubelet does not know it"),
                            },
                        };
                        break;
                    // The node has no AppArmor and no SELinux; kubelet, too, takes these there.
                    case "appArmorProfile" when PodSources.Text(setting.Value, "type") == "Unconfined":
                    case "seLinuxOptions" or "runAsNonRoot":
                        break;
                    default:
                        throw new NotSupportedException(
                            $"securityContext.{setting.Name}: this kubelet does not know it");
                }
            }
        }

        return result;
    }

    private static IEnumerable<string> Names(JsonElement element, string name) =>
        element.TryGetProperty(name, out var list) ? list.EnumerateArray().Select(e => e.GetString()!) : [];

    private static void AddMounts(
        ContainerConfig config, V1Pod pod, V1Container container, int attempt, PodSources sources,
        KubeletOptions options)
    {
        var directory = PodDirectory(pod, options);
        foreach (var mount in container.VolumeMounts ?? [])
        {
            var volume = pod.Spec.Volumes?.FirstOrDefault(v => v.Name == mount.Name)
                ?? throw new NotSupportedException($"volume {mount.Name} is not in the pod");
            var path = Path.Combine(Volumes.PathOf(pod, volume, sources, options), mount.SubPath ?? "");
            if (!Path.Exists(path))
            {
                Directory.CreateDirectory(path);
            }

            config.Mounts.Add(new Mount
            {
                ContainerPath = mount.MountPath, HostPath = path, Readonly = mount.ReadOnly == true,
            });
        }

        var hosts = Path.Combine(directory, "etc-hosts");
        Directory.CreateDirectory(directory);
        File.WriteAllText(hosts, $"127.0.0.1\tlocalhost\n{pod.Status?.PodIP ?? "127.0.1.1"}\t{pod.Metadata.Name}\n");
        config.Mounts.Add(new Mount { ContainerPath = "/etc/hosts", HostPath = hosts });
        var messages = Path.Combine(directory, "containers", container.Name);
        Directory.CreateDirectory(messages);
        var message = Path.Combine(messages, attempt.ToString(CultureInfo.InvariantCulture));
        File.WriteAllText(message, "");
        config.Mounts.Add(new Mount { ContainerPath = "/dev/termination-log", HostPath = message });
    }
}
