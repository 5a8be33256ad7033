using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;
using NUnit.Framework.Interfaces;

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

    /// <summary>CRIU as it is, but a dump or a restore waits for the test's word.</summary>
    private const string Gate = """
        #!/bin/sh
        if [ "$1" = swrk ]; then
          touch /run/criu-came
          while [ ! -e /run/criu-go ]; do sleep 0.02; done
        fi
        exec /usr/sbin/criu.real "$@"
        """;

    /// <summary>How long anything is waited for: a slow machine fails no test by it.</summary>
    protected static TimeSpan Patience { get; } = TimeSpan.FromSeconds(180);

    protected LocalCluster.LocalCluster Cluster { get; private set; } = null!;

    /// <summary>Of a run that hangs or is cut off it is known where it was.</summary>
    [SetUp]
    public void SayWhatBegins() =>
        TestContext.Progress.WriteLine($"{DateTime.Now:T} {TestContext.CurrentContext.Test.FullName}");

    [OneTimeSetUp]
    public async Task Up() => Cluster = await BringUpAsync(LocalCluster.LocalCluster.NewName(letter));

    protected virtual Task<LocalCluster.LocalCluster> BringUpAsync(string name) =>
        LocalCluster.LocalCluster.StartAsync(name, environment);

    /// <summary>A failed test shows what the parts have said: the bench is gone when somebody reads of it.</summary>
    [TearDown]
    public async Task ShowWhatThePartsSaid()
    {
        if (TestContext.CurrentContext.Result.Outcome.Status == TestStatus.Failed)
        {
            await TestContext.Out.WriteLineAsync(await Cluster.TailsAsync());
        }

        await CleanUpAsync();
    }

    /// <summary>After each test, when what the parts said has been shown.</summary>
    protected virtual Task CleanUpAsync() => Task.CompletedTask;

    [OneTimeTearDown]
    public async Task Down()
    {
        // A bring-up that failed has left nothing to take down.
        if (Cluster is not null)
        {
            await TakeDownAsync();
        }
    }

    protected virtual Task TakeDownAsync() => Cluster.DisposeAsync().AsTask();

    /// <summary>Wherever the counter goes on, it goes on from where it stood: no gap, no repeat, no reset.</summary>
    protected async Task OneCopyGoesOnAsync(string pod)
    {
        var before = Witness(pod).Count;
        await UntilAsync(
            () => Witness(pod).Count >= before + 3, $"the counter of {pod} does not go on anywhere", pod, "c");

        var all = Witness(pod);
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
        await Cluster.KubectlAsync("wait", "--for=condition=Ready", "--timeout=180s", $"podcheckpoint/{name ?? pod}");
        return "shared://"
            + await Cluster.GetAsync("podcheckpoint", name ?? pod, "{.status.podUID}/{.status.checkpointID}");
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
        $"  - name: {name}\n    image: localhost/python:1\n    command: [python3, -u, -c, "
            + $"{System.Text.Json.JsonSerializer.Serialize(code)}]";

    protected async Task StartAsync(string yaml, string? container = null)
    {
        await Cluster.ApplyAsync(yaml);
        var name = yaml.Split("name: ")[1].Split('}')[0];
        await Cluster.KubectlAsync("wait", "--for=condition=Ready", "--timeout=180s", $"pod/{name}");
        await CountOnAsync("node-a", name, container ?? yaml.Split("- name: ")[1].Split('\n')[0]);
    }

    protected async Task MigrateAsync(string pod, string name, string node, string phase, string more = "")
    {
        await Cluster.ApplyAsync(Migration(pod, name, node, more));
        (await Cluster.WaitAsync("podmigration", name, "{.status.phase}", "Completed", "Failed")).Should().Be(
            phase, "it said: {0}", await Cluster.GetAsync("podmigration", name, "{.status.message}"));
        if (phase == "Failed")
        {
            await Cluster.WaitAsync(
                "podmigration", name, "{.status.conditions[?(@.type==\"RolledBack\")].status}", "True");
        }
    }

    /// <summary>While something is done, node-b's CRIU fails: after the dump, and its agent has
    /// found it in order before.</summary>
    protected async Task WithoutRestoresAsync(Func<Task> act)
    {
        await Cluster.OnNodeAsync("node-b", "mount --bind /bin/false $(command -v criu)");
        try
        {
            await act();
        }
        finally
        {
            await Cluster.OnNodeAsync("node-b", "umount -l $(command -v criu)");
        }
    }

    /// <summary>Waits until a container has counted on.</summary>
    protected async Task CountOnAsync(
        string node, string podPrefix, string container, int beyond = 0, string word = "n")
    {
        await UntilAsync(
            () => Cluster.Numbers(node, podPrefix, container, word).Count >= beyond + 3,
            $"container {container} of {podPrefix} on {node} does not count on", podPrefix, container);
    }

    /// <summary>Waits until a server says that it listens, and returns its pod's address.</summary>
    protected async Task<string> ListensAsync(string pod)
    {
        await UntilAsync(
            () => Cluster.Log("node-a", pod, "c").Contains("listens"), $"the server of {pod} does not listen",
            pod, "c");
        await Cluster.WaitAsync("pod", pod, "{.status.phase}", "Running");
        return await Cluster.GetAsync("pod", pod, "{.status.podIP}");
    }

    /// <summary>Waits for what a container brings about; fails with what it has printed last.</summary>
    protected async Task UntilAsync(Func<bool> done, string otherwise, string podPrefix, string container)
    {
        var watch = Stopwatch.StartNew();
        while (!done())
        {
            if (watch.Elapsed > Patience)
            {
                Assert.Fail(
                    $"{otherwise}; it printed last:\n" + string.Join('\n', new[] { "node-a", "node-b" }.SelectMany(
                    node => Cluster.Log(node, podPrefix, container).TakeLast(10).Select(line => $"{node}: {line}"))));
            }

            await Task.Delay(100);
        }
    }

    /// <summary>No pod of node-b gets a network before it is let go.</summary>
    protected Task HoldUpPodsAsync() => Cluster.OnNodeAsync(
        "node-b",
        "rm -f /run/go; cd /usr/lib/cni; [ -e bench-ipam.real ] || cp bench-ipam bench-ipam.real; "
        + "printf '#!/bin/sh\nwhile [ ! -e /run/go ]; do sleep 0.05; done\nexec /usr/lib/cni/bench-ipam.real\n' "
        + ">/run/ipam; chmod 755 /run/ipam; mount --bind /run/ipam bench-ipam");

    protected Task LetPodsGoAsync() =>
        Cluster.OnNodeAsync("node-b", "touch /run/go; umount -l /usr/lib/cni/bench-ipam 2>/dev/null || true");

    /// <summary>No dump and no restore of a node begins before it is let go.</summary>
    protected Task HoldUpCriuAsync(string node) => Cluster.OnNodeAsync(
        node,
        "rm -f /run/criu-came /run/criu-go; criu=$(command -v criu); [ -e /usr/sbin/criu.real ] || cp $criu "
        + $"/usr/sbin/criu.real; cat >/run/criu <<'SH'\n{Gate}\nSH\nchmod 755 /run/criu; mount --bind /run/criu $criu");

    /// <summary>Waits until a dump or a restore stands before the gate.</summary>
    protected Task CriuHasComeAsync(string node) =>
        Cluster.OnNodeAsync(
            node, "for i in $(seq 1500); do [ ! -e /run/criu-came ] || break; sleep 0.1; done; ls /run/criu-came");

    protected Task LetCriuGoAsync(string node) =>
        Cluster.OnNodeAsync(node, "touch /run/criu-go; umount -l $(command -v criu) 2>/dev/null || true");

    protected Task CutOffAsync(string node) =>
        Cluster.OnNodeAsync(node, "iptables -w -I INPUT -i eth0 -j DROP; iptables -w -I OUTPUT -o eth0 -j DROP");

    protected Task ReconnectAsync(string node) =>
        Cluster.OnNodeAsync(node, "iptables -w -F INPUT; iptables -w -F OUTPUT");

    /// <summary>As Kubernetes' node controller, which the bench has not, says of a
    /// node whose kubelet is silent.</summary>
    protected Task NodeIsAsync(string node, string ready) => Cluster.KubectlAsync(
        "patch", "node", node, "--subresource=status", "-p",
        $$$"""{"status":{"conditions":[{"type":"Ready","status":"{{{ready}}}"}]}}""");
}
