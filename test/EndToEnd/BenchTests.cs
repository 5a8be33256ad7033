using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>Tests on a bench of their own.</summary>
public abstract class BenchTests(string letter, params (string Name, string Value)[] environment)
{
    /// <summary>Counts through a TCP connection of its own.</summary>
    protected const string ConnectedToItself = """
        import socket, time
        server = socket.create_server(("127.0.0.1", 7000))
        client = socket.create_connection(("127.0.0.1", 7000))
        peer, _ = server.accept()
        n = 0
        while True:
            n += 1
            client.send(b"x"); peer.recv(1)
            print(f"n={n}", flush=True)
            time.sleep(0.05)
        """;

    protected LocalCluster.LocalCluster Cluster { get; private set; } = null!;

    [OneTimeSetUp]
    public async Task Up() => Cluster = await BringUpAsync($"{letter}{Environment.ProcessId % 100000}");

    protected virtual Task<LocalCluster.LocalCluster> BringUpAsync(string name) =>
        LocalCluster.LocalCluster.StartAsync(name, environment);

    [OneTimeTearDown]
    public async Task Down() => await Cluster.DisposeAsync();

    /// <summary>Wherever the counter goes on, it goes on from where it stood: no gap, no repeat, no reset.</summary>
    protected async Task OneCopyGoesOnAsync(string pod)
    {
        var before = Witness(pod).Count;
        for (var i = 0; i < 300 && Witness(pod).Count < before + 3; i++)
        {
            await Task.Delay(100);
        }

        var all = Witness(pod);
        all.Count.Should().BeGreaterThan(before, "the counter goes on somewhere");
        all.Should().Equal(Enumerable.Range(1, all.Count).Select(n => (long)n));
    }

    protected List<long> Witness(string pod) =>
        [.. Cluster.Numbers("node-a", pod, "c", "n").Concat(Cluster.Numbers("node-b", pod, "c", "n")).Order()];

    /// <summary>Makes a PodCheckpoint of a pod, waits until it is whole, and returns its URI.</summary>
    protected async Task<string> CheckpointAsync(string pod, string? name = null, string more = "")
    {
        await Cluster.ApplyAsync($$"""
            apiVersion: lpm.my.domain/v1
            kind: PodCheckpoint
            metadata: {name: {{name ?? pod}}}
            spec:
              podName: {{pod}}
              {{more}}
            """);
        await Cluster.KubectlAsync("wait", "--for=condition=Ready", "--timeout=60s", $"podcheckpoint/{name ?? pod}");
        return "shared://" + await Cluster.GetAsync("podcheckpoint", name ?? pod, "{.status.podUID}/{.status.checkpointID}");
    }

    protected string FolderOf(string uri) => Path.Combine(Cluster.Folder, "store", uri["shared://".Length..]);

    protected static string Migration(string pod, string name, string node, string more = "") => $$"""
        apiVersion: lpm.my.domain/v1
        kind: PodMigration
        metadata: {name: {{name}}}
        spec:
          podName: {{pod}}
          targetNode: {{node}}
          {{more}}
        """;

    protected static string Pod(string name, params string[] containers) => $$"""
        apiVersion: v1
        kind: Pod
        metadata: {name: {{name}}}
        spec:
          nodeName: node-a
          terminationGracePeriodSeconds: 1
          containers:
        {{string.Join('\n', containers)}}
        """;

    protected static string Counter(string name) => Python(name, """
        import time
        n = 0
        while True:
            n += 1
            print(f"n={n}", flush=True)
            time.sleep(0.05)
        """);

    protected static string Python(string name, string code) =>
        $"  - name: {name}\n    image: localhost/python:1\n    command: [python3, -u, -c, {System.Text.Json.JsonSerializer.Serialize(code)}]";

    protected async Task StartAsync(string yaml, string? container = null)
    {
        await Cluster.ApplyAsync(yaml);
        var name = yaml.Split("name: ")[1].Split('}')[0];
        await Cluster.KubectlAsync("wait", "--for=condition=Ready", "--timeout=60s", $"pod/{name}");
        await CountOnAsync("node-a", name, container ?? yaml.Split("- name: ")[1].Split('\n')[0]);
    }

    protected async Task MigrateAsync(string pod, string name, string node, string phase, string more = "")
    {
        await Cluster.ApplyAsync(Migration(pod, name, node, more));
        (await Cluster.WaitAsync("podmigration", name, "{.status.phase}", "Completed", "Failed")).Should().Be(
            phase, "it said: {0}", await Cluster.GetAsync("podmigration", name, "{.status.message}"));
        if (phase == "Failed")
        {
            await Cluster.WaitAsync("podmigration", name, "{.status.conditions[?(@.type==\"RolledBack\")].status}", "True");
        }
    }

    /// <summary>Waits until a container has counted on.</summary>
    protected async Task CountOnAsync(string node, string podPrefix, string container, int beyond = 0, string word = "n")
    {
        for (var i = 0; i < 300; i++)
        {
            if (Cluster.Numbers(node, podPrefix, container, word).Count >= beyond + 3)
            {
                return;
            }

            await Task.Delay(100);
        }

        Assert.Fail($"container {container} of {podPrefix} on {node} does not count on");
    }
}
