using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>Migrations on the bench: real etcd, API server, containerd, crun and CRIU. The counter's own log, from both
/// nodes, is the witness: 1, 2, 3, … without gap or repeat means that no work was lost and no two copies ran.</summary>
[TestFixture]
public sealed class MigrationTests
{
    private static readonly string Bench = $"e{Environment.ProcessId % 100000}";
    private LocalCluster.LocalCluster _cluster = null!;

    [OneTimeSetUp]
    public async Task Up() => _cluster = await LocalCluster.LocalCluster.StartAsync(Bench);

    [OneTimeTearDown]
    public async Task Down() => await _cluster.DisposeAsync();

    [Test]
    public async Task A_counter_goes_there_and_back()
    {
        await StartAsync(Pod("there", Counter("c")));
        await MigrateAsync("there", "there-1", "node-b", "Completed");

        var restored = await _cluster.GetAsync("podmigration", "there-1", "{.status.restoredPodName}");
        (await _cluster.GetAsync("pod", restored, "{.spec.nodeName}")).Should().Be("node-b");
        (await _cluster.GetAsync("podmigration", "there-1", "{.status.outcome}")).Should().Be("Restored");
        long.Parse(await _cluster.GetAsync("podmigration", "there-1", "{.status.downtimeMilliseconds}"), null)
            .Should().BePositive();

        await MigrateAsync(restored, "there-2", "node-a", "Completed");
        await CountOnAsync("node-a", "there-m", "c");
        var all = _cluster.Numbers("node-a", "there", "c", "n").Concat(_cluster.Numbers("node-b", "there", "c", "n"));
        all.Order().Should().Equal(Enumerable.Range(1, all.Count()).Select(n => (long)n));
    }

    [Test]
    public async Task Two_containers_go_together()
    {
        await StartAsync(Pod("two", Counter("a"), Counter("b")));
        await MigrateAsync("two", "two", "node-b", "Completed");

        foreach (var container in new[] { "a", "b" })
        {
            await CountOnAsync("node-b", "two-m", container);
            var all = _cluster.Numbers("node-a", "two", container, "n")
                .Concat(_cluster.Numbers("node-b", "two", container, "n")).ToList();
            all.Order().Should().Equal(Enumerable.Range(1, all.Count).Select(n => (long)n));
        }
    }

    [Test]
    public async Task A_process_with_256_MB_keeps_them()
    {
        const string Code = """
            import hashlib, os, time
            data = os.urandom(64 << 20) * 4
            n = 0
            while True:
                n += 1
                print(f"n={n} sha={hashlib.sha256(data).hexdigest()}", flush=True)
                time.sleep(0.2)
            """;
        await StartAsync(Pod("big", Python("c", Code)));
        await MigrateAsync("big", "big", "node-b", "Completed");

        await CountOnAsync("node-b", "big-m", "c");
        var digests = _cluster.Log("node-a", "big", "c").Concat(_cluster.Log("node-b", "big", "c")).Select(l => l.Split("sha=")[1]);
        digests.Distinct().Should().ContainSingle();
    }

    [Test]
    public async Task A_checkpoint_alone_leaves_the_pod_running_and_its_bytes_go_with_it()
    {
        await StartAsync(Pod("alone", Counter("c")));
        await _cluster.ApplyAsync("""
            apiVersion: lpm.my.domain/v1
            kind: PodCheckpoint
            metadata: {name: alone}
            spec: {podName: alone}
            """);
        await _cluster.KubectlAsync("wait", "--for=condition=Ready", "--timeout=60s", "podcheckpoint/alone");
        var uid = await _cluster.GetAsync("podcheckpoint", "alone", "{.status.podUID}");
        var id = await _cluster.GetAsync("podcheckpoint", "alone", "{.status.checkpointID}");
        var folder = Path.Combine(_cluster.Folder, "store", uid, id);
        File.Exists(Path.Combine(folder, ".checkpoint-complete")).Should().BeTrue();
        Directory.GetFiles(Path.Combine(folder, "c")).Select(Path.GetFileName)
            .Should().BeEquivalentTo("dump.tar.zst", "manifest.json");
        var before = _cluster.Numbers("node-a", "alone", "c", "n").Count;
        await CountOnAsync("node-a", "alone", "c", before);

        await _cluster.KubectlAsync("delete", "podcheckpoint", "alone", "--timeout=60s");

        Directory.Exists(folder).Should().BeFalse();
        (await _cluster.KubectlAsync("get", "pcpc,ccpc", "-o", "jsonpath={.items[*].spec.source.podName}")).Should().NotContain("alone");
    }

    [Test]
    public async Task A_connected_socket_is_refused_when_the_policy_says_so_and_the_source_goes_on()
    {
        const string Code = """
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
        await StartAsync(Pod("tcp", Python("c", Code)));
        await MigrateAsync("tcp", "tcp", "node-b", "Failed", "tcpPolicy: Reject");

        (await _cluster.GetAsync("podmigration", "tcp", "{.status.message}")).Should().Contain("tcpPolicy: Close");
        (await _cluster.GetAsync("podmigration", "tcp", "{.status.outcome}")).Should().Be("RolledBack");
        await CountOnAsync("node-a", "tcp", "c", _cluster.Numbers("node-a", "tcp", "c", "n").Count);
    }

    [Test]
    public async Task A_second_migration_of_the_same_pod_is_refused()
    {
        await StartAsync(Pod("twice", Counter("c")));
        await _cluster.ApplyAsync(Migration("twice", "twice-1", "node-b") + "\n---\n" + Migration("twice", "twice-2", "node-b"));
        var first = await _cluster.WaitAsync("podmigration", "twice-1", "{.status.phase}", "Completed", "Failed");
        var second = await _cluster.WaitAsync("podmigration", "twice-2", "{.status.phase}", "Completed", "Failed");

        new[] { first, second }.Should().BeEquivalentTo("Completed", "Failed");
        var refused = first == "Failed" ? "twice-1" : "twice-2";
        (await _cluster.GetAsync("podmigration", refused, "{.status.message}")).Should().Contain("under way");
    }

    [TestCase("nosuch", "node-b", "does not exist in namespace")]
    [TestCase("still", "node-x", "node node-x does not exist")]
    [TestCase("done", "node-b", "only a running pod can be migrated")]
    public async Task What_cannot_be_migrated_fails_with_a_reason(string pod, string node, string message)
    {
        if (pod != "nosuch")
        {
            await _cluster.ApplyAsync(pod == "done"
                ? Pod("done", Python("c", "print('n=1')")).Replace("containers:", "restartPolicy: Never\n  containers:", StringComparison.Ordinal)
                : Pod("still", Counter("c")));
            await _cluster.WaitAsync("pod", pod, "{.status.phase}", pod == "done" ? "Succeeded" : "Running");
        }

        await MigrateAsync(pod, $"fails-{pod}", node, "Failed");
        (await _cluster.GetAsync("podmigration", $"fails-{pod}", "{.status.message}")).Should().Contain(message);
    }

    [TestCase("operator")]
    [TestCase("agent-node-b", "agent", "node-b")]
    public async Task A_killed_process_comes_back_and_the_migration_ends_in_one_copy(string process, params string[] start)
    {
        var pod = "kill-" + process.Split('-')[0];
        await StartAsync(Pod(pod, Counter("c")));
        await _cluster.ApplyAsync(Migration(pod, pod, "node-b"));
        await _cluster.WaitAsync("podmigration", pod, "{.status.phase}", "Checkpointing", "Transferring", "Restoring", "Finalizing", "Completed");
        await _cluster.KillAsync(process);
        await _cluster.StartProcessAsync(start.Length > 0 ? start : [process]);
        await _cluster.WaitAsync("podmigration", pod, "{.status.outcome}", "Restored", "RolledBack");

        // Wherever it goes on, it goes on from where it stood.
        var before = Witness(pod).Count;
        for (var i = 0; i < 100 && Witness(pod).Count < before + 3; i++)
        {
            await Task.Delay(100);
        }

        var all = Witness(pod);
        all.Count.Should().BeGreaterThan(before);
        all.Should().Equal(Enumerable.Range(1, all.Count).Select(n => (long)n));
    }

    private List<long> Witness(string pod) =>
        [.. _cluster.Numbers("node-a", pod, "c", "n").Concat(_cluster.Numbers("node-b", pod, "c", "n")).Order()];

    private static string Migration(string pod, string name, string node, string more = "") => $$"""
        apiVersion: lpm.my.domain/v1
        kind: PodMigration
        metadata: {name: {{name}}}
        spec:
          podName: {{pod}}
          targetNode: {{node}}
          {{more}}
        """;

    private static string Pod(string name, params string[] containers) => $$"""
        apiVersion: v1
        kind: Pod
        metadata: {name: {{name}}}
        spec:
          nodeName: node-a
          terminationGracePeriodSeconds: 1
          containers:
        {{string.Join('\n', containers)}}
        """;

    private static string Counter(string name) => Python(name, """
        import time
        n = 0
        while True:
            n += 1
            print(f"n={n}", flush=True)
            time.sleep(0.05)
        """);

    private static string Python(string name, string code) =>
        $"  - name: {name}\n    image: localhost/python:1\n    command: [python3, -u, -c, {System.Text.Json.JsonSerializer.Serialize(code)}]";

    private async Task StartAsync(string yaml)
    {
        await _cluster.ApplyAsync(yaml);
        var name = yaml.Split("name: ")[1].Split('}')[0];
        await _cluster.KubectlAsync("wait", "--for=condition=Ready", "--timeout=60s", $"pod/{name}");
        await CountOnAsync("node-a", name, yaml.Split("- name: ")[1].Split('\n')[0]);
    }

    private async Task MigrateAsync(string pod, string name, string node, string phase, string more = "")
    {
        await _cluster.ApplyAsync(Migration(pod, name, node, more));
        (await _cluster.WaitAsync("podmigration", name, "{.status.phase}", "Completed", "Failed")).Should().Be(
            phase, "it said: {0}", await _cluster.GetAsync("podmigration", name, "{.status.message}"));
        if (phase == "Failed")
        {
            await _cluster.WaitAsync("podmigration", name, "{.status.conditions[?(@.type==\"RolledBack\")].status}", "True");
        }
    }

    /// <summary>Waits until a container has counted on.</summary>
    private async Task CountOnAsync(string node, string podPrefix, string container, int beyond = 0)
    {
        for (var i = 0; i < 300; i++)
        {
            if (_cluster.Numbers(node, podPrefix, container, "n").Count >= beyond + 3)
            {
                return;
            }

            await Task.Delay(100);
        }

        Assert.Fail($"container {container} of {podPrefix} on {node} does not count on");
    }
}
