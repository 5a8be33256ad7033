using System.Formats.Tar;
using Google.Protobuf;
using Grpc.Net.Client;
using k8s.Models;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.TestKubelet;
using PodCheckpointing.TestKubelet.Pods;

namespace PodCheckpointing.Component.Nodes;

/// <summary>Runs pods on one of the bench's nodes, straight over CRI: there is no kubelet, and no agent.</summary>
internal sealed class NodePods : IDisposable
{
    public const string Annotation = "io.kubernetes.cri-o.checkpoint-restore";
    private const string CriuConfiguration = "etc/criu/crun.conf";

    private readonly LocalCluster.LocalCluster _bench;
    private readonly string _node;
    private readonly string _folder = Directory.CreateTempSubdirectory("pod-checkpointing-nodes").FullName;
    private readonly GrpcChannel _channel;
    private readonly KubeletOptions _options;

    public NodePods(LocalCluster.LocalCluster bench, string cluster, string node)
    {
        (_bench, _node) = (bench, node);
        _channel = GrpcChannel.ForAddress(
            $"unix://{bench.RootOf(node)}/run/containerd/containerd.sock",
            new GrpcChannelOptions { MaxReceiveMessageSize = 16 * 1024 * 1024 });
        _options =
            new KubeletOptions { NodeName = node, RootDirectory = _folder, CgroupParent = $"/pc-{cluster}-{node}" };
        Runtime = new CriRuntime(_channel);
    }

    public CriRuntime Runtime { get; }

    /// <summary>The runtime as the agent asks it.</summary>
    public ContainerRuntime Agent => new(_channel);

    public static V1Pod Pod(string name, string command, bool restored = false) => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = name,
            NamespaceProperty = "default",
            Uid = Guid.NewGuid().ToString(),
            Annotations = restored ? new Dictionary<string, string> { [Annotation] = "shared://u0/c0" } : null,
        },
        Spec = new V1PodSpec
        {
            Containers =
            [
                new V1Container { Name = "c", Image = "localhost/busybox:1", Command = ["/bin/sh", "-c", command] },
            ],
        },
    };

    public Task<string> SandboxAsync(V1Pod pod) => Runtime.RunSandboxAsync(
        PodMapping.Sandbox(pod, _options),
        pod.Metadata.Annotations?.ContainsKey(Annotation) == true ? "checkpoint-restore" : "",
        CancellationToken.None);

    /// <summary>A container, not yet started.</summary>
    public Task<string> CreateAsync(V1Pod pod, string sandbox, int attempt = 0)
    {
        var container = PodMapping.Container(pod, pod.Spec.Containers[0], attempt, PodSources.None, _options);
        // Their sources would be folders of a kubelet's.
        container.Mounts.Clear();
        Directory.CreateDirectory(Path.Combine(_bench.Folder, _node, "pods-log", LogFolder(pod), "c"));
        return Runtime.CreateAsync(sandbox, container, PodMapping.Sandbox(pod, _options), CancellationToken.None);
    }

    public async Task<(string Sandbox, string Container)> RunAsync(V1Pod pod)
    {
        var sandbox = await SandboxAsync(pod);
        var container = await CreateAsync(pod, sandbox);
        await Runtime.StartAsync(container, CancellationToken.None);
        return (sandbox, container);
    }

    /// <summary>The numbers that a pod has printed here.</summary>
    public IReadOnlyList<long> Numbers(V1Pod pod) => _bench.Numbers(_node, pod.Metadata.Name!, "c", "n");

    public async Task<string> ExecAsync(string container, string command)
    {
        var answer = await Runtime.ExecAsync(container, ["/bin/sh", "-c", command], 100, CancellationToken.None);
        return answer.Stdout.ToStringUtf8() + answer.Stderr.ToStringUtf8();
    }

    /// <summary>A checkpoint that leaves the source stopped; the archive's path.</summary>
    public async Task<string> CheckpointAsync(string container)
    {
        var file = Path.Combine(_bench.RootOf(_node), CriuConfiguration);
        var before = await File.ReadAllTextAsync(file);
        await File.WriteAllTextAsync(file, before + "leave-stopped\nnetwork-lock=skip\n");
        try
        {
            await Runtime.CheckpointAsync(container, $"/var/lib/kubelet/{container}.tar", 0);
        }
        finally
        {
            await File.WriteAllTextAsync(file, before);
        }

        return Path.Combine(_bench.Folder, _node, "kubelet", container + ".tar");
    }

    /// <summary>Where the agent would stage for a pod.</summary>
    public string Staging(V1Pod pod) => Path.Combine(State, "restores", pod.Metadata.Uid!, "c");

    /// <summary>Stages an archive as the agent does, its marker last.</summary>
    public async Task StageAsync(V1Pod pod, string archive)
    {
        Directory.CreateDirectory(Staging(pod));
        await TarFile.ExtractToDirectoryAsync(archive, Staging(pod), overwriteFiles: true);
        await File.WriteAllTextAsync(Path.Combine(Staging(pod), "criu.conf"), "leave-stopped\nmanage-cgroups=ignore\n");
        await File.WriteAllTextAsync(Path.Combine(Staging(pod), "../members"), "c\n");
        await File.WriteAllTextAsync(Path.Combine(Staging(pod), "../go"), "\n");
        RootfsChanges.Prepare(Staging(pod));
        await File.WriteAllTextAsync(Path.Combine(Staging(pod), "staged"), "shared://u0/c0/c/dump.tar.zst\n");
    }

    public string Fence(V1Pod pod) =>
        Path.Combine(Directory.CreateDirectory(Path.Combine(State, "fences")).FullName, pod.Metadata.Uid!);

    /// <summary>The processes that one hierarchy counts to a container.</summary>
    public int Processes(V1Pod pod, string container, string hierarchy) => File
        .ReadAllLines(
            $"/sys/fs/cgroup/{hierarchy}{_options.CgroupParent}/pod{pod.Metadata.Uid}/{container}/cgroup.procs").Length;

    public void Dispose()
    {
        _channel.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private string State => Path.Combine(_bench.Folder, _node, "state");

    private string LogFolder(V1Pod pod) => Path.GetFileName(PodMapping.LogDirectory(pod, _options));
}
