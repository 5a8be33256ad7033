using System.Net;
using FluentAssertions;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;
using PodCheckpointing.Runtime;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Unit.Runtime;

/// <summary>What becomes of events when the server is away, or the process ends; with a real
/// server see the component tests.</summary>
internal sealed class EventRecorderTests
{
    private static readonly V1Pod Pod =
        new() { Metadata = new V1ObjectMeta { Name = "web", NamespaceProperty = "shop", Uid = "u" } };
    private HandTime _time = null!;
    private Events _events = null!;
    private EventRecorder _recorder = null!;

    [SetUp]
    public void Begin()
    {
        (_time, _events) = (new HandTime(), new Events());
        _recorder = new EventRecorder(_events, "test", _time, NullLogger<EventRecorder>.Instance);
    }

    [TearDown]
    public void End() => _recorder.Dispose();

    [Test]
    public async Task Offers_an_event_again_after_what_passes()
    {
        _events.Before.Enqueue(() => throw new HttpRequestException("refused"));
        _events.Before.Enqueue(() => throw Refused(HttpStatusCode.ServiceUnavailable));
        _events.Before.Enqueue(() => throw Refused(HttpStatusCode.TooManyRequests));
        await _recorder.StartAsync(CancellationToken.None);

        Say("one");
        await Wait.UntilAsync(() => _events.Tries == 1);
        await PassUntilAsync(() => _events.Written.Count == 1);

        _events.Tries.Should().Be(4);
        _time.GetUtcNow().Should().BeOnOrAfter(DateTimeOffset.UnixEpoch.AddSeconds(13), "the tries are apart");
        await _recorder.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task Gives_an_event_up_some_time_and_goes_on_with_the_next()
    {
        for (var i = 0; i < 4; i++)
        {
            _events.Before.Enqueue(() => throw new HttpRequestException("refused"));
        }

        _events.Before.Enqueue(() => throw Refused(HttpStatusCode.Forbidden));
        await _recorder.StartAsync(CancellationToken.None);

        Say("one");
        Say("two");
        Say("three");
        await PassUntilAsync(() => _events.Written.Count == 1);

        _events.Written.Should().Equal("three");
        _events.Tries.Should().Be(6, "a refusal stays one");
        await _recorder.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task An_event_whose_answer_was_lost_is_there_once()
    {
        _events.After.Enqueue(() => throw new HttpRequestException("the line is cut"));
        await _recorder.StartAsync(CancellationToken.None);

        Say("one");
        await PassUntilAsync(() => _events.Tries == 2);
        Say("one");
        await PassUntilAsync(() => _events.Counts.Count == 1);

        _events.Written.Should().Equal("one");
        _events.Counts.Should().ContainSingle().Which.Should().Contain("\"count\":2");
        await _recorder.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task What_was_said_before_the_stop_is_written()
    {
        var gate = new TaskCompletionSource();
        _events.Gate = gate.Task;
        await _recorder.StartAsync(CancellationToken.None);
        Say("one");
        Say("two");
        Say("three");
        await Wait.UntilAsync(() => _events.Tries == 1);

        var stopping = _recorder.StopAsync(CancellationToken.None);
        gate.SetResult();
        await stopping.WaitAsync(Wait.Patience);

        _events.Written.Should().Equal("one", "two", "three");
    }

    [Test]
    public async Task A_stop_waits_for_no_server_that_is_away()
    {
        for (var i = 0; i < 10; i++)
        {
            _events.Before.Enqueue(() => throw Refused(HttpStatusCode.ServiceUnavailable));
        }

        await _recorder.StartAsync(CancellationToken.None);
        Say("one");
        Say("two");
        await Wait.UntilAsync(() => _events.Tries == 1);

        // Nobody moves the time, so a pause would never end.
        await _recorder.StopAsync(CancellationToken.None).WaitAsync(Wait.Patience);

        _events.Tries.Should().BeInRange(2, 3, "each is offered once more at most");
    }

    [Test]
    public async Task A_stop_does_not_wait_longer_than_it_may()
    {
        _events.Gate = new TaskCompletionSource().Task;
        await _recorder.StartAsync(CancellationToken.None);
        Say("one");
        await Wait.UntilAsync(() => _events.Tries == 1);
        using var patience = new CancellationTokenSource();

        var stopping = _recorder.StopAsync(patience.Token);
        stopping.IsCompleted.Should().BeFalse();
        await patience.CancelAsync();

        await stopping.WaitAsync(Wait.Patience);
        _events.Written.Should().BeEmpty();
    }

    private void Say(string message) => _recorder.Record(Pod, "Normal", "Said", message);

    private static KubernetesException Refused(HttpStatusCode code) => new(code, new V1Status());

    /// <summary>Has time pass until something is so.</summary>
    private Task PassUntilAsync(Func<bool> done) => Wait.UntilAsync(() =>
    {
        _time.Advance(TimeSpan.FromMilliseconds(250));
        return done();
    });

    /// <summary>Keeps events, in its own time and after what it is told to do before
    /// or after it has kept one.</summary>
    private sealed class Events : IKubernetes
    {
        private readonly Lock _lock = new();
        private readonly Dictionary<string, string> _kept = [];
        private readonly List<string> _counts = [];
        private int _tries;

        public Queue<Action> Before { get; } = [];

        public Queue<Action> After { get; } = [];

        public Task Gate { get; set; } = Task.CompletedTask;

        public int Tries => Volatile.Read(ref _tries);

        public IReadOnlyList<string> Written => Locked(() => _kept.Values.ToList());

        public IReadOnlyList<string> Counts => Locked(() => _counts.ToList());

        public async Task<T> CreateAsync<T>(T item, bool dryRun, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta>
        {
            Interlocked.Increment(ref _tries);
            await Gate.WaitAsync(cancellationToken);
            if (Before.TryDequeue(out var before))
            {
                before();
            }

            if (!Locked(() => _kept.TryAdd(item.Metadata.Name!, ((Corev1Event)(object)item).Message!)))
            {
                throw new KubernetesException(HttpStatusCode.Conflict, new V1Status { Reason = "AlreadyExists" });
            }

            if (After.TryDequeue(out var after))
            {
                after();
            }

            return item;
        }

        public Task<T> PatchAsync<T>(
            string? namespaceName, string name, string? subresource, PatchType type, string patch, string fieldManager,
            CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta>
        {
            Locked(() =>
            {
                _kept.Should().ContainKey(name);
                _counts.Add(patch);
                return 0;
            });
            return Task.FromResult<T>(default!);
        }

        public Task<T> GetAsync<T>(string? namespaceName, string name, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

        public Task<T> ReplaceAsync<T>(T item, string? subresource, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

        public Task<KubernetesList<T>> ListAsync<T>(ListOptions options, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

        public IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(ListOptions options, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

        public Task DeleteAsync<T>(
            string? namespaceName, string name, V1DeleteOptions options, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

        private TResult Locked<TResult>(Func<TResult> run)
        {
            lock (_lock)
            {
                return run();
            }
        }
    }
}
