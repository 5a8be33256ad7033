using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>Migrations on the bench: real etcd, API server, containerd, crun and CRIU. The counter's own log, from both
/// nodes, is the witness: 1, 2, 3, … without gap or repeat means that no work was lost and no two copies ran.</summary>
[TestFixture]
public sealed class MigrationTests : SharedBenchTests
{
    [Test]
    public async Task A_counter_goes_there_and_back()
    {
        await StartAsync(Pod("there", Counter("c")));
        await MigrateAsync("there", "there-1", "node-b", "Completed");

        var restored = await Cluster.GetAsync("podmigration", "there-1", "{.status.restoredPodName}");
        (await Cluster.GetAsync("pod", restored, "{.spec.nodeName}")).Should().Be("node-b");
        (await Cluster.GetAsync("podmigration", "there-1", "{.status.outcome}")).Should().Be("Restored");
        long.Parse(await Cluster.GetAsync("podmigration", "there-1", "{.status.downtimeMilliseconds}"), null)
            .Should().BePositive();

        await MigrateAsync(restored, "there-2", "node-a", "Completed");
        await CountOnAsync("node-a", "there-m", "c");
        var all = Cluster.Numbers("node-a", "there", "c", "n").Concat(Cluster.Numbers("node-b", "there", "c", "n"));
        all.Order().Should().Equal(Enumerable.Range(1, all.Count()).Select(n => (long)n));
    }

    /// <summary>.NET would reload settings, and for that watch every folder below the working directory: a write
    /// anywhere on the node would wake the agent, also those of a dump while its pod stands still.</summary>
    [TestCase("agent-node-a")]
    [TestCase("agent-node-b")]
    [TestCase("operator")]
    public void No_program_watches_the_folders_of_its_node(string part)
    {
        var session = File.ReadAllText(Path.Combine(Cluster.Folder, "run", part + ".pid")).Trim();
        var programs = Directory.EnumerateDirectories("/proc").Where(process => IsOf(process, session)).ToList();

        programs.Should().NotBeEmpty();
        programs.SelectMany(process => Directory.EnumerateFiles(Path.Combine(process, "fdinfo"))).Select(Text)
            .Where(text => text.Contains("inotify", StringComparison.Ordinal)).Should().BeEmpty();

        // proc(5): the session is the fourth behind the name.
        static bool IsOf(string process, string session) =>
            char.IsAsciiDigit(Path.GetFileName(process)[0])
            && Text(Path.Combine(process, "cmdline")).Split('\0')[0].EndsWith("dotnet", StringComparison.Ordinal)
            && Text(Path.Combine(process, "stat")).Split(')')[^1].Split(' ').ElementAtOrDefault(4) == session;

        // Processes end, and files are closed, while they are looked at.
        static string Text(string path)
        {
            try
            {
                return File.ReadAllText(path);
            }
            catch (IOException)
            {
                return "";
            }
        }
    }

    [Test]
    public async Task What_is_to_run_before_a_stop_does_not_run_for_a_pod_that_goes_on_elsewhere()
    {
        const string Hook = "\n    lifecycle: {preStop: {exec: {command: [sh, -c, 'echo stop=1 >/proc/1/fd/1']}}}";
        await StartAsync(Pod("hook", Counter("c") + Hook));
        await MigrateAsync("hook", "hook", "node-b", "Completed");
        await CountOnAsync("node-b", "hook-m", "c");

        Stops("node-a").Should().BeEmpty();
        (await Cluster.GetAsync("podmigration", "hook", "{.status.steps[?(@.name==\"EndSource\")].finishedAt}"))
            .Should().NotBeEmpty();

        // Its end, later, is one.
        await Cluster.KubectlAsync(
            "delete", "pod", "--wait", await Cluster.GetAsync("podmigration", "hook", "{.status.restoredPodName}"));
        Stops("node-b").Should().ContainSingle();

        IEnumerable<long> Stops(string node) => Cluster.Numbers(node, "hook", "c", "stop");
    }

    [Test]
    public async Task Two_containers_go_together()
    {
        await StartAsync(Pod("two", Counter("a"), Counter("b")));
        await MigrateAsync("two", "two", "node-b", "Completed");

        foreach (var container in new[] { "a", "b" })
        {
            await CountOnAsync("node-b", "two-m", container);
            var all = Cluster.Numbers("node-a", "two", container, "n")
                .Concat(Cluster.Numbers("node-b", "two", container, "n")).ToList();
            all.Order().Should().Equal(Enumerable.Range(1, all.Count).Select(n => (long)n));
        }
    }

    [Test]
    public async Task A_sidecar_goes_along_and_an_init_container_does_not_run_again()
    {
        const string Init = """
              initContainers:
              - name: once
                image: localhost/python:1
                command: [python3, -u, -c, "print('n=0')"]
            """;
        var sidecar = Counter("side") + "\n    restartPolicy: Always";
        await StartAsync(Pod("car", Counter("c")).Replace(
            "  containers:", $"{Init}\n{sidecar}\n  containers:", StringComparison.Ordinal), "c");
        await CountOnAsync("node-a", "car", "side");
        await MigrateAsync("car", "car", "node-b", "Completed");

        foreach (var container in new[] { "c", "side" })
        {
            await CountOnAsync("node-b", "car-m", container);
            var all = Cluster.Numbers("node-a", "car", container, "n")
                .Concat(Cluster.Numbers("node-b", "car", container, "n")).ToList();
            all.Order().Should().Equal(Enumerable.Range(1, all.Count).Select(n => (long)n));
        }

        Cluster.Log("node-b", "car", "once").Should().BeEmpty();
    }

    [Test]
    public async Task The_content_of_empty_dirs_goes_along_with_owners_modes_holes_and_links()
    {
        const string Code = """
            import os, stat, time
            os.makedirs("/disk/inner", exist_ok=True)
            os.chmod("/disk/inner", 0o2750)
            log = open("/disk/inner/log", "a")
            memory = open("/memory/log", "a")
            open("/disk/owned", "w").write("x"); os.chown("/disk/owned", 1234, 4321); os.chmod("/disk/owned", 0o640)
            hole = open("/disk/hole", "wb"); hole.truncate(64 << 20); hole.seek(32 << 20); hole.write(b"middle"); hole.flush()
            os.symlink("owned", "/disk/link"); os.link("/disk/owned", "/disk/second"); os.mkfifo("/disk/fifo")
            os.setxattr("/disk/owned", "user.colour", b"green")
            n = 0
            while True:
                n += 1
                for out in (log, memory):
                    out.write(f"{n}\n"); out.flush()
                s = os.stat("/disk/owned")
                facts = [
                    len(open("/disk/inner/log").readlines()), len(open("/memory/log").readlines()),
                    s.st_uid, s.st_gid, oct(s.st_mode), s.st_nlink, oct(os.stat("/disk/inner").st_mode),
                    os.stat("/disk/hole").st_size, os.stat("/disk/hole").st_blocks < 1024, os.readlink("/disk/link"),
                    stat.S_ISFIFO(os.stat("/disk/fifo").st_mode), os.getxattr("/disk/owned", "user.colour").decode(),
                ]
                # In one write: a dump between two would leave half a line on each node.
                os.write(1, (" ".join(map(str, [f"n={n}", *facts])) + "\n").encode())
                time.sleep(0.05)
            """;
        var mounts = "\n    volumeMounts: [{name: disk, mountPath: /disk}, {name: memory, mountPath: /memory}]";
        await StartAsync(
            Pod("dirs", Python("c", Code) + mounts)
                .Replace(
                    "  containers:",
                    "  volumes: [{name: disk, emptyDir: {}}, {name: memory, emptyDir: {medium: Memory, sizeLimit: "
                        + "16Mi}}]\n  containers:",
                    StringComparison.Ordinal));
        await MigrateAsync("dirs", "dirs", "node-b", "Completed");

        await CountOnAsync("node-b", "dirs-m", "c");
        var lines = Cluster.Log("node-a", "dirs", "c")
            .Concat(Cluster.Log("node-b", "dirs", "c"))
            .Select(l => l.Split(' ', 4))
            .ToList();
        lines.Should().OnlyContain(
            l => l[0] == $"n={l[1]}" && l[1] == l[2], "every line that was written is in both files");
        lines.Select(l => l[3]).Distinct()
            .Should().Equal("1234 4321 0o100640 2 0o42750 67108864 True owned True green");
        lines.Select(l => long.Parse(l[1], null)).Order()
            .Should().Equal(Enumerable.Range(1, lines.Count).Select(n => (long)n));
    }

    [Test]
    public async Task A_checkpoint_alone_leaves_the_pod_running_and_its_bytes_go_with_it()
    {
        await StartAsync(Pod("alone", Counter("c")));
        var uri = await CheckpointAsync("alone");
        var folder = FolderOf(uri);
        File.Exists(Path.Combine(folder, ".checkpoint-complete")).Should().BeTrue();
        Directory.GetFiles(Path.Combine(folder, "c")).Select(Path.GetFileName)
            .Should().BeEquivalentTo("dump.tar.zst", "manifest.json");
        var before = Cluster.Numbers("node-a", "alone", "c", "n").Count;
        await CountOnAsync("node-a", "alone", "c", before);

        await Cluster.KubectlAsync("delete", "podcheckpoint", "alone", "--timeout=180s");

        Directory.Exists(folder).Should().BeFalse();
        (await Cluster.KubectlAsync("get", "pcpc,ccpc", "-o", "jsonpath={.items[*].spec.source.podName}"))
            .Should().NotContain("alone");
    }

    [Test]
    public async Task A_content_that_says_Retain_keeps_its_bytes_when_the_claim_goes()
    {
        await StartAsync(Pod("kept", Counter("c")));
        var uri = await CheckpointAsync("kept");
        var content = await Cluster.GetAsync("podcheckpoint", "kept", "{.status.boundContentName}");
        (await Cluster.GetAsync("pcpc", content, "{.status.artifactURI}")).Should().Be(uri);
        await Cluster.KubectlAsync(
            "patch", "pcpc", content, "--type=merge", "-p", """{"spec":{"deletionPolicy":"Retain"}}""");

        await Cluster.KubectlAsync("delete", "podcheckpoint", "kept", "--timeout=180s");

        var folder = FolderOf(uri);
        File.Exists(Path.Combine(folder, ".checkpoint-complete")).Should().BeTrue();
        File.Exists(Path.Combine(folder, "c", "dump.tar.zst")).Should().BeTrue();
        (await Cluster.GetAsync("pcpc", content, "{.metadata.name}")).Should().Be(content);
    }

    [Test]
    public async Task A_connected_socket_is_refused_when_the_policy_says_so_and_the_source_goes_on()
    {
        await StartAsync(Pod("tcp", Python("c", ConnectedToItself)));
        await MigrateAsync("tcp", "tcp", "node-b", "Failed", "tcpPolicy: Reject");

        (await Cluster.GetAsync("podmigration", "tcp", "{.status.message}")).Should().Contain("tcpPolicy: Close");
        (await Cluster.GetAsync("podmigration", "tcp", "{.status.podCheckpointName}"))
            .Should().BeEmpty("nothing was begun");
        await CountOnAsync("node-a", "tcp", "c", Cluster.Numbers("node-a", "tcp", "c", "n").Count);
    }

    [Test]
    public async Task A_second_migration_of_the_same_pod_is_refused()
    {
        await StartAsync(Pod("twice", Counter("c")));
        await Cluster.ApplyAsync(
            Migration("twice", "twice-1", "node-b") + "\n---\n" + Migration("twice", "twice-2", "node-b"));
        var first = await Cluster.WaitAsync("podmigration", "twice-1", "{.status.phase}", "Completed", "Failed");
        var second = await Cluster.WaitAsync("podmigration", "twice-2", "{.status.phase}", "Completed", "Failed");

        new[] { first, second }.Should().BeEquivalentTo("Completed", "Failed");
        var refused = first == "Failed" ? "twice-1" : "twice-2";
        (await Cluster.GetAsync("podmigration", refused, "{.status.message}")).Should().Contain("under way");
    }

    [TestCase("nosuch", "node-b", "does not exist in namespace")]
    [TestCase("still", "node-x", "node node-x does not exist")]
    [TestCase("done", "node-b", "only a running pod can be migrated")]
    [TestCase("crashes", "node-b", "does not run")]
    public async Task What_cannot_be_migrated_fails_with_a_reason(string pod, string node, string message)
    {
        if (pod != "nosuch")
        {
            await Cluster.ApplyAsync(pod == "crashes"
                ? Pod("crashes", Counter("c"), Python("second", "raise SystemExit(1)"))
                : pod == "done"
                ? Pod("done", Python("c", "print('n=1')")).Replace(
                    "containers:", "restartPolicy: Never\n  containers:", StringComparison.Ordinal)
                : Pod("still", Counter("c")));
            await (pod == "crashes"
                // In one of its short lives it would be found running: kubelet waits 40 s after the third.
                ? Cluster.WaitAsync(
                    "pod", pod,
                    "{range .status.containerStatuses[?(@.name==\"second\")]}"
                        + "{.restartCount} {.state.waiting.reason}{end}",
                    "3 CrashLoopBackOff", "4 CrashLoopBackOff")
                : Cluster.WaitAsync("pod", pod, "{.status.phase}", pod == "done" ? "Succeeded" : "Running"));
        }

        await MigrateAsync(pod, $"fails-{pod}", node, "Failed");
        (await Cluster.GetAsync("podmigration", $"fails-{pod}", "{.status.message}")).Should().Contain(message);
    }

    [Test]
    public async Task A_source_that_may_not_stand_still_so_long_goes_on_in_time()
    {
        // The dump waits for the volume, which is read for longer than three failed probes take.
        const string Code = """
            import os, time
            data = os.urandom(8 << 20)
            for i in range(128):
                with open(f"/disk/{i}", "wb") as out: out.write(data)
            n = 0
            while True:
                n += 1
                print(f"n={n}", flush=True)
                time.sleep(0.05)
            """;
        var probe =
            "\n    livenessProbe: {exec: {command: [\"true\"]}, periodSeconds: 1, failureThreshold: 3, "
                + "timeoutSeconds: 30}\n    volumeMounts: [{name: disk, mountPath: /disk}]";
        await StartAsync(
            Pod("tight", Python("c", Code) + probe)
                .Replace(
                    "  containers:", "  volumes: [{name: disk, emptyDir: {}}]\n  containers:",
                    StringComparison.Ordinal));
        await MigrateAsync("tight", "tight", "node-b", "Failed");

        (await Cluster.GetAsync("podmigration", "tight", "{.status.message}"))
            .Should().Contain("liveness probes allow");
        (await Cluster.GetAsync("podmigration", "tight", "{.status.outcome}")).Should().Be("RolledBack");
        await OneCopyGoesOnAsync("tight");
    }
}
