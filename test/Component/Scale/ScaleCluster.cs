using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Component.Api;
using PodCheckpointing.Component.Grpc;

namespace PodCheckpointing.Component.Scale;

/// <summary>A real API server with our definitions, many nodes that only seem to be there, and pods on them.</summary>
internal sealed class ScaleCluster : IAsyncDisposable
{
    public const string Namespace = "default";
    private readonly TestAuthority _authority = new();
    private readonly List<OperatorProcess> _operators = [];
    private readonly ConcurrentDictionary<string, Receiver> _receivers = new();
    private readonly int _agentPort = FreePort();
    private ControlPlane _server = null!;
    private FakeKubelets _kubelets = null!;

    public Kubernetes Client { get; private set; } = null!;

    public MigrationWatch Migrations { get; private set; } = null!;

    public List<FakeNode> Nodes { get; } = [];

    public string Folder => _authority.Folder;

    public static async Task<ScaleCluster> StartAsync(int nodes, int pods)
    {
        var cluster = new ScaleCluster();
        try
        {
            await cluster.BeginAsync(nodes, pods);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    public async Task<OperatorProcess> StartOperatorAsync(string name, params (string Name, string Value)[] settings)
    {
        var process = OperatorProcess.Start(name, _server.Kubeconfig, _authority, FreePort(), _agentPort, settings);
        _operators.Add(process);
        await process.ReadyAsync();
        return process;
    }

    /// <summary>Creates a migration of each pod, as many at a time as the API server takes.</summary>
    public Task MigrateAsync(IEnumerable<int> pods) => Parallel.ForEachAsync(
        pods, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (n, t) => await Client.CreateAsync(
            new PodMigration
            {
                Metadata = new V1ObjectMeta { Name = $"m{n:d4}", NamespaceProperty = Namespace },
                Spec = new PodMigrationSpec
                {
                    PodName = $"p{n:d4}",
                    TargetNode = NameOf(TargetOf(n)),
                    TimeoutSeconds = 3600,
                },
            },
            t));

    /// <summary>What the operators said last, for whoever looks for a failure.</summary>
    public string Logs() => string.Join('\n', Directory.GetFiles(_authority.Folder, "*.log")
        .SelectMany(f => File.ReadLines(f).TakeLast(20).Prepend(Path.GetFileName(f))));

    public async ValueTask DisposeAsync()
    {
        _operators.ForEach(o => o.Dispose());
        if (Migrations is not null)
        {
            await Migrations.DisposeAsync();
            await _kubelets.DisposeAsync();
        }

        foreach (var node in Nodes)
        {
            await node.DisposeAsync();
        }

        Client?.Dispose();
        _server?.Dispose();
        _authority.Dispose();
    }

    private static string NameOf(int node) => $"node{node:d2}";

    private async Task BeginAsync(int nodes, int pods)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        _server = await ControlPlane.StartAsync(deadline.Token);
        await _server.InstallDefinitionsAsync();
        Client = new Kubernetes(KubernetesClientConfiguration.BuildDefault(_server.Kubeconfig, context: null));
        _authority.Issue("agent", AgentTls.AgentName);
        for (var n = 0; n < nodes; n++)
        {
            var address = new IPAddress([127, 0, 1, (byte)(n + 1)]);
            Nodes.Add(await FakeNode.StartAsync(NameOf(n), address, _agentPort, _authority, _receivers));
            var status = new { status = new { addresses = new[]
            {
                new { type = "InternalIP", address = $"{address}" },
            }, conditions = new[] { new { type = "Ready", status = "True" } } } };
            await Client.CreateAsync(new V1Node { Metadata = new V1ObjectMeta { Name = NameOf(n) } }, deadline.Token);
            await Client.PatchAsync<V1Node>(
                null, NameOf(n), "status", PatchType.Merge, KubernetesJson.Serialize(status), "test", deadline.Token);
        }

        _kubelets = new FakeKubelets(Client, _receivers);
        _kubelets.Start();
        Migrations = new MigrationWatch(Client);
        await Migrations.StartAsync();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, pods), new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (n, t) =>
            {
                var pod = await Client.CreateAsync(
                    new V1Pod
                    {
                        Metadata = new V1ObjectMeta
                        {
                            Name = $"p{n:d4}",
                            NamespaceProperty = Namespace,
                            Labels = new Dictionary<string, string> { ["app"] = "a" },
                        },
                        Spec = new V1PodSpec
                        {
                            NodeName = NameOf(n % nodes),
                            Containers = [new V1Container { Name = "c", Image = "localhost/any:1" }],
                        },
                    },
                    t);
                await Client.PatchAsync<V1Pod>(
                    Namespace, pod.Metadata.Name!, "status", PatchType.Merge, FakeKubelets.Running(pod), "kubelet", t);
            });
    }

    /// <summary>Another node than the pod's, not always the same one.</summary>
    private int TargetOf(int pod) => (pod + 1 + (pod / Nodes.Count % (Nodes.Count - 1))) % Nodes.Count;

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Any, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
