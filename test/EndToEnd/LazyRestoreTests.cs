using System.Text.RegularExpressions;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>Processes that run before all their pages are in, which nobody but their downtime may notice.</summary>
[TestFixture]
internal sealed class LazyRestoreTests : SharedBenchTests
{
    private const string Code = """
        import hashlib, os, time
        data = os.urandom(64 << 20) * 4
        n = 0
        while True:
            n += 1
            print(f"n={n} sha={hashlib.sha256(data).hexdigest()}", flush=True)
            time.sleep(1)
        """;

    /// <summary>They reckon without end, and the next test wants the machine.</summary>
    protected override Task CleanUpAsync() =>
        Cluster.KubectlAsync("delete", "podmigration,pod", "--all", "--timeout=180s");

    [Test]
    public async Task A_process_with_256_MB_keeps_them()
    {
        await StartAsync(Pod("big", Python("c", Code)));
        await MigrateAsync("big", "big", "node-b", "Completed");

        await WasLazyAsync("big");
        await CountOnAsync("node-b", "big-m", "c");
        Digests("big").Should().ContainSingle();
    }

    [Test]
    public async Task The_daemon_is_not_of_the_containers_memory()
    {
        await StartAsync(Pod("memory", Python("c", Code)));

        await WithCriuAsync(
            "if [ \"$1\" = lazy-pages ]; then cat /proc/$$/cgroup >\"$5/daemon-cgroup\"; fi",
            () => MigrateAsync("memory", "memory", "node-b", "Completed"));

        await WasLazyAsync("memory");
        var uid = await Cluster.GetAsync("podmigration", "memory", "{.status.restoredPodUID}");
        var folder = StagingOf(uid);
        (await Cluster.OnNodeAsync("node-b", $"cat /proc/$(cut -d' ' -f1 {folder}/pid)/cgroup"))
            .Should().Contain(uid, "the processes are in the pod's");
        (await Cluster.OnNodeAsync("node-b", $"cat {folder}/daemon-cgroup")).Should().Contain(":").And.NotContain(uid);
    }

    [Test]
    public async Task A_daemon_that_brings_no_pages_costs_time_and_no_more()
    {
        // It takes connections, and hangs up: CRIU cannot restore so, and restores with all pages.
        const string Wrapper = """
            if [ "$1" = lazy-pages ]; then
              exec python3 -c '
            import os, socket, sys
            os.chdir(sys.argv[1])
            daemon = socket.socket(socket.AF_UNIX)
            daemon.bind("lazy-pages.socket")
            daemon.listen()
            while True:
                daemon.accept()[0].close()' "$5"
            fi
            """;
        await StartAsync(Pod("daemon", Python("c", Code)));

        await WithCriuAsync(Wrapper, () => MigrateAsync("daemon", "daemon", "node-b", "Completed"));

        await CountOnAsync("node-b", "daemon-m", "c");
        Digests("daemon").Should().ContainSingle();
        (await Cluster.OnNodeAsync("node-b", "ls /var/lib/pod-checkpointing/restores/*/c/restore-lazy.log"))
            .Should().NotBeEmpty("it was tried");
    }

    [Test]
    public async Task Pages_that_do_not_come_lead_back_to_the_source()
    {
        // As soon as it listens the daemon gets a hundredth of a processor, with which it would bring pages for
        // half a minute. It dies when the processes run.
        const string Wrapper = """
            if [ "$1" = lazy-pages ]; then
              slow=$(for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*; do
                [ ! -e "$hierarchy/cpu.cfs_quota_us" ] || { echo "$hierarchy/slow-pages"; break; }
              done)
              mkdir -p "$slow"
              echo 1000 >"$slow/cpu.cfs_quota_us"
              (until [ -e "$5/lazy-pages.socket" ]; do sleep 0.005; done
              echo $$ >"$slow/cgroup.procs"
              until [ -e "$5/running" ] || ! kill -0 $$; do sleep 0.01; done
              kill -KILL $$
              while ! rmdir "$slow"; do sleep 0.01; done) </dev/null >/dev/null 2>&1 &
            fi
            """;
        await StartAsync(Pod("pages", Python("c", Code)));

        await WithCriuAsync(Wrapper, () => MigrateAsync("pages", "pages", "node-b", "Failed"));

        (await Cluster.GetAsync("podmigration", "pages", "{.status.outcome}")).Should().Be("RolledBack");
        (await Cluster.GetAsync("podmigration", "pages", "{.status.message}")).Should().Contain("not all pages");
        (await Cluster.KubectlAsync("get", "pods", "-o", "name")).Split('\n')
            .Should().ContainSingle(n => n.StartsWith("pod/pages", StringComparison.Ordinal));
        await CountOnAsync("node-a", "pages", "c");
        Digests("pages").Should().ContainSingle("nobody has read a page that was not there");
    }

    private static string StagingOf(string uid) => $"/var/lib/pod-checkpointing/restores/{uid}/c";

    /// <summary>What cannot be restored so is restored with all pages, and goes on just as well.</summary>
    private async Task WasLazyAsync(string migration)
    {
        var uid = await Cluster.GetAsync("podmigration", migration, "{.status.restoredPodUID}");
        (await Cluster.OnNodeAsync("node-b", $"ls {StagingOf(uid)}")).Split('\n')
            .Should().Contain("lazy").And.NotContain("restore-lazy.log");
    }

    // A dump between two writes leaves half a line on each node.
    private IEnumerable<string> Digests(string pod) =>
        Cluster.Log("node-a", pod, "c").Concat(Cluster.Log("node-b", pod, "c"))
            .Select(l => Regex.Match(l, "sha=([0-9a-f]{64})$"))
            .Where(m => m.Success)
            .Select(m => m.Groups[1].Value)
            .Distinct();

    /// <summary>Does something while the target's CRIU runs a script before it is itself.</summary>
    private async Task WithCriuAsync(string script, Func<Task> body)
    {
        await Cluster.OnNodeAsync("node-b", $"""
            criu=$(command -v criu)
            cp $criu /usr/sbin/criu.real
            cat >/run/criu <<'SH'
            #!/bin/sh
            {script}
            exec /usr/sbin/criu.real "$@"
            SH
            chmod 755 /run/criu
            mount --bind /run/criu $criu
            """);
        try
        {
            await body();
        }
        finally
        {
            await Cluster.OnNodeAsync("node-b", "umount -l $(command -v criu)");
        }
    }
}
