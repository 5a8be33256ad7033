using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>What goes wrong, and what the user asks to stop: each ends in one live copy, which the counter's own log shows.</summary>
[TestFixture]
public sealed class FaultTests() : BenchTests("f", ("Operator__Nodes__Interval", "00:00:01"))
{
    [TestCase("Pending")]
    [TestCase("Checkpointing")]
    [TestCase("Restoring")]
    public async Task Stopping_a_migration_ends_in_one_copy(string phase)
    {
        var pod = "abort-" + phase.ToLowerInvariant()[..4];
        await StartAsync(Pod(pod, Counter("c")));
        await Cluster.ApplyAsync(Migration(pod, pod, "node-b"));
        await PhaseAsync(pod, phase);
        await Cluster.KubectlAsync("patch", "podmigration", pod, "--type=merge", "-p", """{"spec":{"abort":true}}""");

        await Cluster.WaitAsync("podmigration", pod, "{.status.outcome}", "Restored", "RolledBack");
        await OneCopyGoesOnAsync(pod);
        await OnePodIsLeftAsync(pod);
    }

    [TestCase("Checkpointing")]
    [TestCase("Restoring")]
    public async Task Deleting_a_migration_ends_in_one_copy(string phase)
    {
        var pod = "delete-" + phase.ToLowerInvariant()[..4];
        await StartAsync(Pod(pod, Counter("c")));
        await Cluster.ApplyAsync(Migration(pod, pod, "node-b"));
        await PhaseAsync(pod, phase);

        await Cluster.KubectlAsync("delete", "podmigration", pod, "--timeout=180s");

        await OneCopyGoesOnAsync(pod);
        await OnePodIsLeftAsync(pod);
    }

    [Test]
    public async Task A_CRIU_that_cannot_restore_leads_back_to_the_source()
    {
        await StartAsync(Pod("criu", Counter("c")));
        await Cluster.OnNodeAsync("node-b", "mount --bind /bin/false $(command -v criu)");
        try
        {
            await MigrateAsync("criu", "criu", "node-b", "Failed");
        }
        finally
        {
            await Cluster.OnNodeAsync("node-b", "umount $(command -v criu)");
        }

        (await Cluster.GetAsync("podmigration", "criu", "{.status.outcome}")).Should().Be("RolledBack");
        (await Cluster.GetAsync("podmigration", "criu", "{.status.message}")).Should().Contain("container c could not be restored");
        await OneCopyGoesOnAsync("criu");

        // Nothing is left that would hinder the next attempt.
        await MigrateAsync("criu", "criu-again", "node-b", "Completed");
        await OneCopyGoesOnAsync("criu");
    }

    [Test]
    public async Task A_volume_that_runs_full_leads_back_to_the_source_at_once()
    {
        await StartAsync(Pod("full", Counter("c")));
        // CRIU as it is; but from the dump on the volume has one page left at the source.
        await Cluster.OnNodeAsync("node-a", """
            criu=$(command -v criu); cp $criu /usr/sbin/criu.full; cat >/run/criu-full <<'SH'
            #!/bin/sh
            if [ "$1" = swrk ] && [ ! -e /run/is-full ]; then
              touch /run/is-full
              mount -t tmpfs -o size=4k tmpfs /mnt/checkpoints
            fi
            exec /usr/sbin/criu.full "$@"
            SH
            chmod 755 /run/criu-full; mount --bind /run/criu-full $criu
            """);
        try
        {
            await MigrateAsync("full", "full", "node-b", "Failed");
        }
        finally
        {
            await Cluster.OnNodeAsync("node-a", "umount $(command -v criu); if [ -e /run/is-full ]; then umount /mnt/checkpoints; fi");
        }

        (await Cluster.GetAsync("podmigration", "full", "{.status.outcome} {.status.conditions[?(@.type==\"RolledBack\")].reason}"))
            .Should().Be("RolledBack NotEnoughSpace");
        (await Cluster.GetAsync("podmigration", "full", "{.status.message}")).Should().Contain("the checkpoint volume at /mnt/checkpoints of node node-a has no room left");
        var stopped = await TimeOfAsync("{.status.steps[?(@.name==\"Checkpoint\")].startedAt}");
        var ended = await TimeOfAsync("{.status.completionTime}");
        TestContext.Out.WriteLine($"from the begin of the dump to the end of the way back: {(ended - stopped).TotalSeconds:0.000} s");
        (ended - stopped).Should().BeLessThan(TimeSpan.FromSeconds(100), "far less than the migration's timeout of 300 s, until which an absent volume is waited for");
        await OneCopyGoesOnAsync("full");
        await MigrateAsync("full", "full-again", "node-b", "Completed");

        async Task<DateTimeOffset> TimeOfAsync(string path) =>
            DateTimeOffset.Parse(await Cluster.GetAsync("podmigration", "full", path), System.Globalization.CultureInfo.InvariantCulture);
    }

    [Test]
    public async Task A_target_without_the_image_is_found_out_before_the_source_is_touched()
    {
        await Cluster.OnNodeAsync("node-a", "ctr -n k8s.io images tag localhost/python:1 localhost/only-here:1");
        await StartAsync(Pod("image", Counter("c").Replace("localhost/python:1", "localhost/only-here:1", StringComparison.Ordinal)));

        await MigrateAsync("image", "image", "node-b", "Failed");

        (await Cluster.GetAsync("podmigration", "image", "{.status.message}")).Should().Contain("localhost/only-here:1");
        (await Cluster.GetAsync("podmigration", "image", "{.status.podCheckpointName}")).Should().BeEmpty();
        await OneCopyGoesOnAsync("image");
        await OnePodIsLeftAsync("image");
    }

    [Test]
    public async Task An_agent_that_dies_is_told_of_its_node_until_it_is_back()
    {
        const string ready = "{.status.conditions[?(@.type==\"Ready\")].status} {.status.conditions[?(@.type==\"Ready\")].reason}";
        string[] all = ["get", "checkpointnodes", "-o", $"jsonpath={{range .items[*]}}{{.metadata.name}} {ready};{{end}}"];
        const string well = "node-a True Succeeded;node-b True Succeeded;";
        await Cluster.UntilAsync(said => said == well, all);

        await Cluster.KillAsync("agent-node-b");
        await Cluster.UntilAsync(said => said == "node-a True Succeeded;node-b Unknown AgentUnavailable;", all);
        var told = await Cluster.SayAsync("kubectl", "podmigration", "nodes", "node-b");
        await Cluster.StartProcessAsync("agent", "node-b");

        told.Code.Should().Be(1);
        told.Output.Should().MatchRegex("Message: +the node's agent does not answer: ").And.MatchRegex("CRIU: +4\\.");
        await Cluster.UntilAsync(said => said == well, all);
        await Cluster.KubectlAsync("wait", "--for=condition=Ready", "checkpointnode", "--all", "--timeout=60s");
    }

    [TestCase("apiserver")]
    [TestCase("etcd")]
    public async Task A_restarted_control_plane_delays_a_migration_and_no_more(string part)
    {
        var pod = "plane-" + part[..3];
        await StartAsync(Pod(pod, Counter("c")));
        await Cluster.ApplyAsync(Migration(pod, pod, "node-b"));
        await PhaseAsync(pod, "Checkpointing");
        await Cluster.KillAsync(part);
        await Cluster.StartProcessAsync(part);

        await EndsAsync(pod);
        await OneCopyGoesOnAsync(pod);
        await OnePodIsLeftAsync(pod);
    }

    [Test]
    public async Task A_second_operator_finishes_what_the_first_began()
    {
        await StartAsync(Pod("leader", Counter("c")));
        await Cluster.StartProcessAsync("operator", "operator2");
        var first = await Cluster.GetAsync("lease", "pod-checkpointing-operator", "{.spec.holderIdentity}");
        await Cluster.ApplyAsync(Migration("leader", "leader", "node-b"));
        await PhaseAsync("leader", "Checkpointing");
        await Cluster.KillAsync("operator");

        await EndsAsync("leader");
        await OneCopyGoesOnAsync("leader");
        (await Cluster.GetAsync("lease", "pod-checkpointing-operator", "{.spec.holderIdentity}")).Should().NotBe(first);
        await Cluster.StartProcessAsync("operator");
        await Cluster.KillAsync("operator2");
    }

    [Test]
    public async Task An_agent_killed_at_the_source_leaves_no_second_copy()
    {
        await StartAsync(Pod("source", Counter("c")));
        await Cluster.ApplyAsync(Migration("source", "source", "node-b"));
        await PhaseAsync("source", "Checkpointing");
        await Cluster.KillAsync("agent-node-a");
        await Cluster.StartProcessAsync("agent", "node-a");

        await EndsAsync("source");
        await OneCopyGoesOnAsync("source");
        (await Cluster.OnNodeAsync("node-a", "cat /etc/criu/crun.conf; ls /etc/criu")).Should().NotContain("leave-stopped").And.NotContain("saved");
    }

    [Test]
    public async Task A_target_that_is_cut_off_before_it_may_run_does_not_hold_the_source()
    {
        await StartAsync(Pod("cut", Counter("c")));
        // A target that may run already holds the source, and rightly: this one cannot have come so far.
        await HoldUpPodsAsync();
        await Cluster.ApplyAsync(Migration("cut", "cut", "node-b", "timeoutSeconds: 10"));
        await PhaseAsync("cut", "Checkpointing");
        await Cluster.OnNodeAsync("node-b", "ip link set eth0 down");
        try
        {
            await EndsAsync("cut");
            await OneCopyGoesOnAsync("cut");
        }
        finally
        {
            // Its routes go with the link.
            await Cluster.OnNodeAsync("node-b", "ip link set eth0 up");
            await LetPodsGoAsync();
        }
    }

    private async Task EndsAsync(string name)
    {
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < Patience)
        {
            try
            {
                if (await Cluster.GetAsync("podmigration", name, "{.status.outcome}") is "Restored" or "RolledBack")
                {
                    return;
                }
            }
            catch (InvalidOperationException)
            {
                // The API server is away for a moment.
            }

            await Task.Delay(100);
        }

        Assert.Fail($"migration {name} does not end:\n" + await Cluster.KubectlAsync("get", "podmigration", name, "-o", "yaml"));
    }

    /// <summary>Waits for a phase; a later one is as good, since the end is the same.</summary>
    private Task PhaseAsync(string name, string phase)
    {
        string[] phases = ["Pending", "Checkpointing", "Transferring", "Restoring", "Finalizing", "Completed", "Failed"];
        return Cluster.WaitAsync("podmigration", name, "{.status.phase}", phases[Array.IndexOf(phases, phase)..]);
    }

    private async Task OnePodIsLeftAsync(string pod)
    {
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < Patience)
        {
            var names = (await Cluster.KubectlAsync("get", "pods", "-o", "jsonpath={.items[*].metadata.name}")).Split(' ');
            if (names.Count(n => n == pod || n.StartsWith(pod + "-m", StringComparison.Ordinal)) == 1)
            {
                return;
            }

            await Task.Delay(100);
        }

        Assert.Fail($"not one pod {pod} is left:\n" + await Cluster.KubectlAsync("get", "pods", "-o", "wide"));
    }
}
