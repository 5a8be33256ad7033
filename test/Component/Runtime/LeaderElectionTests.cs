using System.Diagnostics;
using FluentAssertions;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;
using PodCheckpointing.Runtime;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Runtime;

internal sealed class LeaderElectionTests : RuntimeTests
{
    // Long enough that a slow disk under etcd, or a busy machine, does not cost the leader its lease.
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(20);

    [TearDown]
    public void KeepTheExitCode() => Environment.ExitCode = 0;

    [Test]
    public async Task One_leads_and_the_next_takes_over_at_once_when_it_goes_in_good_order()
    {
        using var first = Candidate("order", "first", Client, out _);
        using var second = Candidate("order", "second", Client, out _);
        await first.StartAsync(CancellationToken.None);
        await first.Acquired.WaitAsync(TimeSpan.FromSeconds(120));
        await second.StartAsync(CancellationToken.None);
        // The second one has looked several times by then.
        var begun = (await LeaseOfAsync("order", "first")).Spec!.RenewTime;
        await Wait.UntilAsync(async () => (await LeaseOfAsync("order", "first")).Spec!.RenewTime > begun + Lease);
        second.Acquired.IsCompleted.Should().BeFalse();

        await first.StopAsync(CancellationToken.None);
        await second.Acquired.WaitAsync(TimeSpan.FromSeconds(120));

        first.Leads.Should().BeFalse();
        (await LeaseOfAsync("order", "second")).Spec!.LeaseTransitions.Should().Be(1);
        await second.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task A_leader_that_cannot_renew_stops_before_the_next_one_begins()
    {
        var line = new FlakyKubernetes(Client);
        using var first = Candidate("cut", "first", line, out var life);
        using var second = Candidate("cut", "second", Client, out _);
        await first.StartAsync(CancellationToken.None);
        await first.Acquired.WaitAsync(TimeSpan.FromSeconds(120));
        await second.StartAsync(CancellationToken.None);
        long lost = 0;
        first.Lost.Register(() => lost = Stopwatch.GetTimestamp());

        line.Cut();
        await second.Acquired.WaitAsync(TimeSpan.FromSeconds(120));
        var acquired = Stopwatch.GetTimestamp();

        lost.Should().BePositive().And.BeLessThan(acquired);
        life.Stopped.Should().BeTrue("the process ends, so that nothing of its old life goes on");
        await second.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task Of_two_that_try_at_once_one_leads()
    {
        var candidates = Enumerable.Range(0, 5).Select(n => Candidate("race", $"c{n}", Client, out _)).ToList();
        await Task.WhenAll(candidates.Select(c => c.StartAsync(CancellationToken.None)));
        await Task.WhenAny(candidates.Select(c => c.Acquired)).WaitAsync(TimeSpan.FromSeconds(120));
        await Wait.UntilAsync(() => candidates.Count(c => c.Leads) == 1);

        var leader = candidates.Single(c => c.Leads);
        var first = (await Client.GetAsync<V1Lease>("default", "race", CancellationToken.None)).Spec!.RenewTime;
        await Wait.UntilAsync(async () =>
        {
            candidates.Count(c => c.Leads).Should().Be(1);
            return (await Client.GetAsync<V1Lease>("default", "race", CancellationToken.None)).Spec!.RenewTime > first
                + Lease;
        });

        leader.Leads.Should().BeTrue("it renews its lease, and nobody else takes it");
        foreach (var candidate in candidates)
        {
            await candidate.StopAsync(CancellationToken.None);
            candidate.Dispose();
        }
    }

    private static LeaderElection Candidate(string lease, string identity, IKubernetes kubernetes, out Life life) =>
        new(
            kubernetes,
            new LeaderElectionOptions
            {
                Namespace = "default", Name = lease, Identity = identity,
                LeaseDuration = Lease, RenewDeadline = Lease * 0.6, RetryPeriod = Lease * 0.15,
            },
            life = new Life(),
            TimeProvider.System,
            NullLogger<LeaderElection>.Instance);

    private async Task<V1Lease> LeaseOfAsync(string name, string holder)
    {
        var lease = await Client.GetAsync<V1Lease>("default", name, CancellationToken.None);
        lease.Spec!.HolderIdentity.Should().Be(holder);
        return lease;
    }

    private sealed class Life : IHostApplicationLifetime
    {
        public bool Stopped { get; private set; }

        public CancellationToken ApplicationStarted => CancellationToken.None;

        public CancellationToken ApplicationStopping => CancellationToken.None;

        public CancellationToken ApplicationStopped => CancellationToken.None;

        public void StopApplication() => Stopped = true;
    }
}
