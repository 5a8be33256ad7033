using FluentAssertions;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;
using PodCheckpointing.Runtime;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Unit.Runtime;

/// <summary>What a candidate makes of a slow or broken line; against a real API
/// server see the component tests.</summary>
public sealed class LeaderElectionTests
{
    private HandTime _time = null!;
    private Leases _leases = null!;

    [SetUp]
    public void Begin() => (_time, _leases) = (new HandTime(), new Leases());

    [TearDown]
    public void KeepTheExitCode() => Environment.ExitCode = 0;

    [Test]
    public async Task Who_learns_too_late_that_the_lease_was_taken_asks_again_before_it_leads()
    {
        _leases.BeforeAnswer = () => _time.Advance(TimeSpan.FromSeconds(20));
        using var candidate = Candidate();
        await candidate.StartAsync(CancellationToken.None);
        await PassUntilAsync(() => _leases.Writes == 1);
        candidate.Leads.Should().BeFalse("others may have taken it five seconds ago");

        _leases.BeforeAnswer = null;
        await PassUntilAsync(() => candidate.Leads);
        _leases.Writes.Should().Be(2);
        await candidate.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task An_answer_that_breaks_off_does_not_end_a_leader()
    {
        using var candidate = Candidate();
        await candidate.StartAsync(CancellationToken.None);
        await PassUntilAsync(() => candidate.Leads);

        _leases.BeforeAnswer = () =>
        {
            _leases.BeforeAnswer = null;
            throw new HttpIOException(HttpRequestError.ResponseEnded, "the answer broke off");
        };
        var writes = _leases.Writes;
        await PassUntilAsync(() => _leases.Writes >= writes + 2);

        candidate.Leads.Should().BeTrue("the next renewal came in time");
        await candidate.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task Who_was_stopped_for_long_does_nothing_more_though_nobody_has_told_him()
    {
        using var candidate = Candidate();
        ILeadership leadership = candidate;
        leadership.Invoking(l => l.ThrowIfNotLeading()).Should().Throw<NotLeadingException>("it does not lead yet");
        await candidate.StartAsync(CancellationToken.None);
        await PassUntilAsync(() => candidate.Leads);
        leadership.ThrowIfNotLeading();

        // Its own timers have not run yet when the process goes on: whoever acts first must ask the clock.
        _leases.BeforeAnswer = () => throw new HttpIOException(HttpRequestError.ResponseEnded, "nobody answers");
        _time.Advance(TimeSpan.FromSeconds(11));
        leadership.Leads.Should().BeFalse();
        leadership.Invoking(l => l.ThrowIfNotLeading()).Should().Throw<NotLeadingException>();
        _leases.BeforeAnswer = null;
        await candidate.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task A_silent_holder_is_left_the_time_that_it_has_asked_for()
    {
        _leases.Lease = new V1Lease
        {
            Metadata = new V1ObjectMeta { Name = "lease", NamespaceProperty = "ns" },
            Spec = new V1LeaseSpec { HolderIdentity = "them", LeaseDurationSeconds = 60 },
        };
        using var candidate = Candidate();
        await candidate.StartAsync(CancellationToken.None);
        // Its own LeaseDuration of 15 seconds is over by far.
        await PassUntilAsync(() => _time.GetUtcNow() >= DateTimeOffset.UnixEpoch.AddSeconds(50));
        candidate.Leads.Should().BeFalse("the holder goes on for up to 60 seconds");
        _leases.Writes.Should().Be(0);

        await PassUntilAsync(() => candidate.Leads);
        await candidate.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task Who_is_overtaken_between_its_look_and_its_write_does_not_lead()
    {
        _leases.Lease = new V1Lease
        {
            Metadata = new V1ObjectMeta { Name = "lease", NamespaceProperty = "ns" },
            Spec = new V1LeaseSpec { HolderIdentity = "" },
        };
        _leases.BeforeWrite = () =>
        {
            _leases.BeforeWrite = null;
            _leases.Lease = new V1Lease
            {
                Metadata = new V1ObjectMeta { Name = "lease", NamespaceProperty = "ns" },
                Spec = new V1LeaseSpec { HolderIdentity = "them", LeaseDurationSeconds = 60 },
            };
        };
        using var candidate = Candidate();
        await candidate.StartAsync(CancellationToken.None);
        await PassUntilAsync(() => _time.GetUtcNow() >= DateTimeOffset.UnixEpoch.AddSeconds(50));

        candidate.Leads.Should().BeFalse();
        _leases.BeforeWrite.Should().BeNull("it has tried");
        _leases.Writes.Should().Be(0);
        await candidate.StopAsync(CancellationToken.None);
    }

    private LeaderElection Candidate() => new(
        _leases,
        new LeaderElectionOptions { Namespace = "ns", Name = "lease", Identity = "us" },
        new Life(),
        _time,
        NullLogger<LeaderElection>.Instance);

    /// <summary>Has time pass until something is so.</summary>
    private Task PassUntilAsync(Func<bool> done) => Wait.UntilAsync(() =>
    {
        _time.Advance(TimeSpan.FromMilliseconds(100));
        return done();
    });

    /// <summary>One lease, which is written over no other version than the one that was read. What happens before an
    /// answer to a write happens after it is stored.</summary>
    private sealed class Leases : IKubernetes
    {
        private volatile V1Lease? _lease;
        private volatile Action? _beforeWrite;
        private volatile Action? _beforeAnswer;
        private int _writes;
        private int _version;

        public V1Lease? Lease
        {
            set => _lease = value! with
            {
                Metadata = value.Metadata with { ResourceVersion = $"{Interlocked.Increment(ref _version)}" },
            };
        }

        public int Writes => Volatile.Read(ref _writes);

        public Action? BeforeWrite
        {
            get => _beforeWrite;
            set => _beforeWrite = value;
        }

        public Action? BeforeAnswer
        {
            get => _beforeAnswer;
            set => _beforeAnswer = value;
        }

        public Task<T> GetAsync<T>(string? namespaceName, string name, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> =>
            _lease is { } lease
                ? Task.FromResult((T)(object)lease)
                : Task.FromException<T>(new KubernetesException(System.Net.HttpStatusCode.NotFound, new V1Status()));

        public Task<T> CreateAsync<T>(T item, bool dryRun, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => Written(item);

        public Task<T> ReplaceAsync<T>(T item, string? subresource, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => Written(item);

        public Task<KubernetesList<T>> ListAsync<T>(ListOptions options, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

        public IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(ListOptions options, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

        public Task<T> PatchAsync<T>(
            string? namespaceName, string name, string? subresource, PatchType type, string patch, string fieldManager,
            CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

        public Task DeleteAsync<T>(
            string? namespaceName, string name, V1DeleteOptions options, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

        private Task<T> Written<T>(T item)
        {
            BeforeWrite?.Invoke();
            var lease = (V1Lease)(object)item!;
            if (lease.Metadata.ResourceVersion != _lease?.Metadata.ResourceVersion)
            {
                return Task.FromException<T>(new KubernetesException(
                    System.Net.HttpStatusCode.Conflict, new V1Status { Reason = "Conflict" }));
            }

            Lease = lease;
            try
            {
                BeforeAnswer?.Invoke();
            }
            finally
            {
                Interlocked.Increment(ref _writes);
            }

            return Task.FromResult((T)(object)_lease!);
        }
    }

    private sealed class Life : IHostApplicationLifetime
    {
        public CancellationToken ApplicationStarted => CancellationToken.None;

        public CancellationToken ApplicationStopping => CancellationToken.None;

        public CancellationToken ApplicationStopped => CancellationToken.None;

        public void StopApplication()
        {
        }
    }
}
