using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Scale;

/// <summary>Two operators over one API server and one set of agents; the one that leads is
/// taken away in the middle.</summary>
internal sealed class LeaderTests
{
    private const int Count = 12;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private static readonly (string, string)[] Settings =
        [("LeaderElection", "true"), (
            "LeaseNamespace", "default"), ("LeaseDurationSeconds", "30"), ("Migrations__ParallelPerCluster", "4")];

    [Test]
    public async Task What_a_killed_leader_has_begun_the_other_one_finishes_within_the_same_limits()
    {
        await using var cluster = await ScaleCluster.StartAsync(4, Count);
        var first = await LeaderAsync(cluster, "first");
        var second = await cluster.StartOperatorAsync("second", Settings);
        await BeginAsync(cluster);

        first.Signal("KILL");
        await first.ExitedAsync(Patience);
        await EndAsync(cluster);

        (await second.LeadsAsync()).Should().BeTrue();
        cluster.Nodes.SelectMany(n => n.Calls).Select(c => c.Caller).Distinct()
            .Should().BeEquivalentTo([first.Caller, second.Caller]);
    }

    [Test]
    public async Task A_leader_that_was_stopped_and_goes_on_when_another_one_leads_does_nothing_more()
    {
        await using var cluster = await ScaleCluster.StartAsync(4, Count);
        var first = await LeaderAsync(cluster, "first");
        var second = await cluster.StartOperatorAsync("second", Settings);
        // All that it has begun is at the nodes: a call that is about to be sent when it is stopped is sent afterwards.
        var dumps = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        cluster.Nodes.ForEach(n => n.MayDump = dumps.Task);
        await cluster.MigrateAsync(Enumerable.Range(0, Count));
        await Wait.UntilAsync(() => cluster.Nodes.Sum(n => n.Dumping) == 4);

        first.Signal("STOP");
        await Wait.UntilAsync(() => second.LeadsAsync());

        var before = CallsOf(cluster, first);
        first.Signal("CONT");
        await first.ExitedAsync(Patience);
        dumps.SetResult();
        await EndAsync(cluster);

        CallsOf(cluster, first)
            .Should().BeEquivalentTo(before, "it was in the middle of four migrations, and has let them be");
    }

    private static List<string> CallsOf(ScaleCluster cluster, OperatorProcess process) =>
        [.. cluster.Nodes.SelectMany(
            n => n.Calls.Where(c => c.Caller == process.Caller).Select(c => $"{n.Name} {c.Method}"))];

    private static async Task<OperatorProcess> LeaderAsync(ScaleCluster cluster, string name)
    {
        var process = await cluster.StartOperatorAsync(name, Settings);
        await Wait.UntilAsync(() => process.LeadsAsync());
        return process;
    }

    /// <summary>Returns in the middle of several migrations, after some have ended.</summary>
    private static async Task BeginAsync(ScaleCluster cluster)
    {
        await cluster.MigrateAsync(Enumerable.Range(0, Count));
        var migrations = cluster.Migrations;
        await migrations.UntilAsync(
            () => migrations.Ended > 1
                && migrations.Seen.Values.Any(m => m.Status?.Phase == MigrationPhases.Checkpointing), Patience);
    }

    private static async Task EndAsync(ScaleCluster cluster)
    {
        try
        {
            await cluster.Migrations.UntilAsync(() => cluster.Migrations.Ended == Count, Patience);
        }
        catch (TimeoutException)
        {
            Assert.Fail($"{cluster.Migrations.Ended} of {Count} ended\n{cluster.Logs()}");
        }

        cluster.Migrations.Seen.Values.Should().OnlyContain(m => m.Status!.Outcome == Outcomes.Restored);
        cluster.Migrations.Peak.Cluster.Should().Be(4);
        cluster.Nodes.Should().OnlyContain(n => n.Fences.IsEmpty);
    }
}
