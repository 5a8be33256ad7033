using System.Globalization;
using k8s.Models;
using Runtime.V1;

namespace PodCheckpointing.TestKubelet.Pods;

/// <summary>Says a pod in the words of CRI, as kubelet does.</summary>
internal static class PodMapping
{
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
            Hostname = pod.Spec.HostNetwork == true ? options.NodeName : pod.Metadata.Name,
            LogDirectory = LogDirectory(pod, options),
            Linux = new LinuxPodSandboxConfig
            {
                CgroupParent = $"{options.CgroupParent}/pod{pod.Metadata.Uid}",
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

    public static ContainerConfig Container(V1Pod pod, V1Container container, int attempt, KubeletOptions options)
    {
        var config = new ContainerConfig
        {
            Metadata = new ContainerMetadata { Name = container.Name, Attempt = (uint)attempt },
            Image = new ImageSpec { Image = container.Image },
            WorkingDir = container.WorkingDir ?? "",
            LogPath = $"{container.Name}/{attempt}.log",
            Tty = container.Tty == true,
            Linux = new LinuxContainerConfig
            {
                Resources = new LinuxContainerResources { OomScoreAdj = 1000, CpuShares = 2 },
                SecurityContext = new LinuxContainerSecurityContext { NamespaceOptions = Namespaces(pod) },
            },
        };
        config.Command.AddRange(container.Command ?? []);
        config.Args.AddRange(container.Args ?? []);
        foreach (var variable in container.Env ?? [])
        {
            config.Envs.Add(new KeyValue { Key = variable.Name, Value = ValueOf(variable, pod, options) });
        }

        AddLabels(config.Labels, pod, container.Name);
        config.Annotations["io.kubernetes.container.restartCount"] = attempt.ToString(CultureInfo.InvariantCulture);
        config.Annotations["io.kubernetes.container.terminationMessagePath"] = "/dev/termination-log";
        AddMounts(config, pod, container, attempt, options);
        return config;
    }

    public static string PodDirectory(V1Pod pod, KubeletOptions options) =>
        Path.Combine(options.RootDirectory, "pods", pod.Metadata.Uid!);

    public static string LogDirectory(V1Pod pod, KubeletOptions options) =>
        Path.Combine(options.PodLogsDirectory, $"{pod.Metadata.NamespaceProperty}_{pod.Metadata.Name}_{pod.Metadata.Uid}");

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

    private static string ValueOf(V1EnvVar variable, V1Pod pod, KubeletOptions options)
    {
        if (variable.Value is { } value)
        {
            return value;
        }

        if (variable.More?.TryGetValue("valueFrom", out var source) != true)
        {
            return "";
        }

        var path = source.TryGetProperty("fieldRef", out var field) ? field.GetProperty("fieldPath").GetString() : null;
        return path switch
        {
            "metadata.name" => pod.Metadata.Name!,
            "metadata.namespace" => pod.Metadata.NamespaceProperty!,
            "metadata.uid" => pod.Metadata.Uid!,
            "spec.nodeName" => options.NodeName,
            "status.hostIP" => options.NodeIP,
            _ => throw new NotSupportedException($"env {variable.Name}: this kubelet resolves no such valueFrom"),
        };
    }

    private static void AddMounts(
        ContainerConfig config, V1Pod pod, V1Container container, int attempt, KubeletOptions options)
    {
        var directory = PodDirectory(pod, options);
        foreach (var mount in container.VolumeMounts ?? [])
        {
            var volume = pod.Spec.Volumes?.FirstOrDefault(v => v.Name == mount.Name)
                ?? throw new NotSupportedException($"volume {mount.Name} is not in the pod");
            var path = volume switch
            {
                { EmptyDir.Medium: null or "" } => Path.Combine(directory, "volumes", "kubernetes.io~empty-dir", mount.Name),
                { HostPath: { } host } => host.Path,
                _ => throw new NotSupportedException($"volume {mount.Name}: this kubelet mounts emptyDir and hostPath only"),
            };
            Directory.CreateDirectory(path);
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
