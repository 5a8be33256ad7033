using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>What goes wrong, and what the user asks to stop: each ends in one live copy, which
/// the counter's own log shows.</summary>
[TestFixture]
public sealed class FaultTests() : BenchTests("f", ("Operator__Nodes__Interval", "00:00:01"))
{
    [TestCase("Pending", "RolledBack")]
    [TestCase("Checkpointing", "RolledBack")]
    [TestCase("Restoring", "RolledBack")]
    [TestCase("Finalizing", "Restored")]
    public async Task Stopping_a_migration_ends_in_one_copy(string phase, string outcome)
    {
        var pod = "abort-" + phase.ToLowerInvariant();
        await HoldAsync(pod, phase);
        await Cluster.KubectlAsync("patch", "podmigration", pod, "--type=merge", "-p", """{"spec":{"abort":true}}""");
        await IsHeardAsync(pod);
        await LetGoAsync();

        await EndsAsync(pod, outcome);
        await OneCopyGoesOnAsync(pod);
        await OnePodIsLeftAsync(pod, outcome);
    }

    [TestCase("Checkpointing", "RolledBack")]
    [TestCase("Restoring", "RolledBack")]
    [TestCase("Finalizing", "Restored")]
    public async Task Deleting_a_migration_ends_in_one_copy(string phase, string outcome)
    {
        var pod = "delete-" + phase.ToLowerInvariant();
        await HoldAsync(pod, phase);
        await Cluster.KubectlAsync("delete", "podmigration", pod, "--wait=false");
        await IsHeardAsync(pod);
        await LetGoAsync();

        await Cluster.KubectlAsync("wait", "--for=delete", "--timeout=180s", $"podmigration/{pod}");
        await OneCopyGoesOnAsync(pod);
        await OnePodIsLeftAsync(pod, outcome);
    }

    [TestCase("operator", "Checkpointing")]
    [TestCase("operator", "Restoring")]
    [TestCase("operator", "Finalizing")]
    [TestCase("agent-node-a", "Finalizing")]
    [TestCase("agent-node-b", "Restoring")]
    [TestCase("agent-node-b", "Finalizing")]
    public async Task A_killed_process_comes_back_and_the_migration_goes_on(string process, string phase)
    {
        var pod = $"kill-{process}-{phase.ToLowerInvariant()}";
        await HoldAsync(pod, phase);
        await Cluster.KillAsync(process);
        await Cluster.StartProcessAsync(process.Split('-', 2));
        await LetGoAsync();

        await EndsAsync(pod, "Restored");
        await OneCopyGoesOnAsync(pod);
        await OnePodIsLeftAsync(pod, "Restored");
    }

    [Test]
    public async Task A_CRIU_that_cannot_restore_leads_back_to_the_source()
    {
        await StartAsync(Pod("criu", Counter("c")));
        await WithoutRestoresAsync(() => MigrateAsync("criu", "criu", "node-b", "Failed"));

        (await Cluster.GetAsync("podmigration", "criu", "{.status.outcome}")).Should().Be("RolledBack");
        (await Cluster.GetAsync("podmigration", "criu", "{.status.message}"))
            .Should().Contain("container c could not be restored");
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
            await Cluster.OnNodeAsync(
                "node-a", "umount -l $(command -v criu); if [ -e /run/is-full ]; then umount -l /mnt/checkpoints; fi");
        }

        (await Cluster.GetAsync(
            "podmigration", "full", "{.status.outcome} {.status.conditions[?(@.type==\"RolledBack\")].reason}"))
            .Should().Be("RolledBack NotEnoughSpace");
        (await Cluster.GetAsync("podmigration", "full", "{.status.message}"))
            .Should().Contain("the checkpoint volume at /mnt/checkpoints of node node-a has no room left");
        var stopped = await TimeOfAsync("{.status.steps[?(@.name==\"Checkpoint\")].startedAt}");
        var ended = await TimeOfAsync("{.status.completionTime}");
        TestContext.Out.WriteLine(
            $"from the begin of the dump to the end of the way back: {(ended - stopped).TotalSeconds:0.000} s");
        (ended - stopped).Should().BeLessThan(
            TimeSpan.FromSeconds(100),
            "far less than the migration's timeout of 300 s, until which an absent volume is waited for");
        await OneCopyGoesOnAsync("full");
        await MigrateAsync("full", "full-again", "node-b", "Completed");

        async Task<DateTimeOffset> TimeOfAsync(string path) =>
            DateTimeOffset.Parse(
                await Cluster.GetAsync("podmigration", "full", path),
                System.Globalization.CultureInfo.InvariantCulture);
    }

    [Test]
    public async Task A_target_without_the_image_is_found_out_before_the_source_is_touched()
    {
        await Cluster.OnNodeAsync("node-a", "ctr -n k8s.io images tag localhost/python:1 localhost/only-here:1");
        await StartAsync(Pod(
            "image", Counter("c").Replace("localhost/python:1", "localhost/only-here:1", StringComparison.Ordinal)));

        await MigrateAsync("image", "image", "node-b", "Failed");

        (await Cluster.GetAsync("podmigration", "image", "{.status.message}"))
            .Should().Contain("localhost/only-here:1");
        (await Cluster.GetAsync("podmigration", "image", "{.status.podCheckpointName}")).Should().BeEmpty();
        await OneCopyGoesOnAsync("image");
        await OnePodIsLeftAsync("image", "RolledBack");
    }

    [Test]
    public async Task An_agent_that_dies_is_told_of_its_node_until_it_is_back()
    {
        const string ready =
            "{.status.conditions[?(@.type==\"Ready\")].status} {.status.conditions[?(@.type==\"Ready\")].reason}";
        string[] all =
        [
            "get",
            "checkpointnodes",
            "-o",
            $"jsonpath={{range .items[*]}}{{.metadata.name}} {ready};{{end}}",
        ];
        const string well = "node-a True Succeeded;node-b True Succeeded;";
        await Cluster.UntilAsync(said => said == well, all);

        await Cluster.KillAsync("agent-node-b");
        await Cluster.UntilAsync(said => said == "node-a True Succeeded;node-b Unknown AgentUnavailable;", all);
        var told = await Cluster.SayAsync("kubectl", "podmigration", "nodes", "node-b");
        await Cluster.StartProcessAsync("agent", "node-b");

        told.Code.Should().Be(1);
        told.Output.Should().MatchRegex("Message: +the node's agent does not answer: ").And.MatchRegex("CRIU: +4\\.");
        await Cluster.UntilAsync(said => said == well, all);
        await Cluster.KubectlAsync("wait", "--for=condition=Ready", "checkpointnode", "--all", "--timeout=180s");
    }

    [TestCase("apiserver")]
    [TestCase("etcd")]
    public async Task A_restarted_control_plane_delays_a_migration_and_no_more(string part)
    {
        var pod = "plane-" + part[..3];
        await HoldAsync(pod, "Checkpointing");
        await Cluster.KillAsync(part);
        await Cluster.StartProcessAsync(part);
        await LetGoAsync();

        await EndsAsync(pod, "Restored");
        await OneCopyGoesOnAsync(pod);
        await OnePodIsLeftAsync(pod, "Restored");
    }

    [Test]
    public async Task A_second_operator_finishes_what_the_first_began()
    {
        await Cluster.StartProcessAsync("operator", "operator2");
        var first = await Cluster.GetAsync("lease", "pod-checkpointing-operator", "{.spec.holderIdentity}");
        await HoldAsync("leader", "Checkpointing");
        await Cluster.KillAsync("operator");
        await LetGoAsync();

        await EndsAsync("leader", "Restored");
        await OneCopyGoesOnAsync("leader");
        (await Cluster.GetAsync("lease", "pod-checkpointing-operator", "{.spec.holderIdentity}")).Should().NotBe(first);
        await Cluster.StartProcessAsync("operator");
        await Cluster.KillAsync("operator2");
    }

    [Test]
    public async Task An_agent_killed_at_the_source_leaves_no_second_copy()
    {
        await HoldAsync("source", "Checkpointing");
        await Cluster.KillAsync("agent-node-a");
        await Cluster.StartProcessAsync("agent", "node-a");
        await LetGoAsync();

        await EndsAsync("source", "Restored");
        await OneCopyGoesOnAsync("source");
        (await Cluster.OnNodeAsync("node-a", "cat /etc/criu/crun.conf; ls /etc/criu"))
            .Should().NotContain("leave-stopped").And.NotContain("saved");
    }

    [Test]
    public async Task A_target_that_is_cut_off_before_it_may_run_does_not_hold_the_source()
    {
        await HoldAsync("cut", "Checkpointing", "timeoutSeconds: 60");
        var stood = Witness("cut").Count;
        await CutOffAsync("node-b");
        await LetCriuGoAsync("node-a");

        // A target that may run would hold the source, and rightly, for as long as its node is silent.
        await EndsAsync("cut", "RolledBack");
        (await Cluster.GetAsync("podmigration", "cut", "{.status.conditions[?(@.type==\"RolledBack\")].reason}"))
            .Should().Be("TimedOut");
        (await Cluster.GetAsync("podmigration", "cut", "{.status.steps[?(@.name==\"Restore\")].startedAt}"))
            .Should().BeEmpty("it was never let go");
        await CountOnAsync("node-a", "cut", "c", stood);
        await OneCopyGoesOnAsync("cut");

        await LetGoAsync();
        await OnePodIsLeftAsync("cut", "RolledBack");
    }

    /// <summary>What a failed test has held must not hold the next.</summary>
    protected override Task CleanUpAsync() => LetGoAsync();

    /// <summary>Has a migration come to a phase and stay there: by the part that it waits for.</summary>
    private async Task HoldAsync(string pod, string phase, string more = "")
    {
        await StartAsync(Pod(pod, Counter("c")));
        await (phase switch
        {
            "Pending" => HoldUpPodsAsync(),
            "Checkpointing" => HoldUpCriuAsync("node-a"),
            _ => HoldUpCriuAsync("node-b"),
        });
        await Cluster.ApplyAsync(Migration(pod, pod, "node-b", more));
        if (phase == "Pending")
        {
            await Cluster.UntilAsync(
                name => name.Length > 0, "get", "podmigration", pod, "-o", "jsonpath={.status.restoredPodName}");
        }
        else
        {
            await CriuHasComeAsync(phase == "Checkpointing" ? "node-a" : "node-b");
        }

        if (phase == "Finalizing")
        {
            // The target runs, and nobody ends the source.
            await Cluster.WaitAsync("podmigration", pod, "{.status.phase}", "Restoring");
            await Cluster.PauseAsync("kubelet-node-a");
            await LetCriuGoAsync("node-b");
        }

        await Cluster.WaitAsync("podmigration", pod, "{.status.phase}", phase);
        (await Cluster.GetAsync("podmigration", pod, "{.status.conditions[?(@.type==\"SourceFenced\")].status}"))
            .Should().Be(phase == "Pending" ? "" : "True");
    }

    /// <summary>What is held goes on, whatever it is.</summary>
    private async Task LetGoAsync()
    {
        await LetPodsGoAsync();
        await LetCriuGoAsync("node-a");
        await LetCriuGoAsync("node-b");
        await ReconnectAsync("node-b");
        await Cluster.ResumeAsync("kubelet-node-a");
    }

    /// <summary>The operator has heard that a migration is to stop: it turns back, or says that it is
    /// too late, or all is over.</summary>
    private Task IsHeardAsync(string migration) => Cluster.UntilAsync(
        said => !said.EndsWith(':'), "get", "podmigration", migration, "--ignore-not-found",
        "-o",
        "jsonpath={.metadata.name}:{.status.conditions[?(@.type==\"RolledBack\")].status}{.status.conditions[?(@.type==\"Aborted\")].status}");

    private async Task EndsAsync(string name, string outcome)
    {
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < Patience)
        {
            try
            {
                if (await Cluster.GetAsync("podmigration", name, "{.status.outcome}") is { Length: > 0 } ended)
                {
                    ended.Should().Be(
                        outcome, "it said: {0}", await Cluster.GetAsync("podmigration", name, "{.status.message}"));
                    return;
                }
            }
            catch (InvalidOperationException)
            {
                // The API server is away for a moment.
            }

            await Task.Delay(100);
        }

        Assert.Fail(
            $"migration {name} does not end:\n"
                + await Cluster.KubectlAsync("get", "podmigration", name, "-o", "yaml"));
    }

    /// <summary>The source where it was rolled back, and the target where it was restored.</summary>
    private async Task OnePodIsLeftAsync(string pod, string outcome)
    {
        var left = (await Cluster.UntilAsync(
            names => names.Split(' ').Count(IsIts) == 1, "get", "pods", "-o", "jsonpath={.items[*].metadata.name}"))
            .Split(' ')
            .Single(IsIts);
        (left == pod).Should().Be(outcome == "RolledBack", "{0} is left", left);

        bool IsIts(string name) => name == pod || name.StartsWith(pod + "-m", StringComparison.Ordinal);
    }
}
