using System.Net;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using FluentAssertions;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;
using PodCheckpointing.Runtime;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Unit.Runtime;

/// <summary>What an informer makes of what a server says, session by session.</summary>
public sealed class InformerTests
{
    [Test]
    public async Task Of_a_namesake_that_a_list_finds_both_are_told()
    {
        var server = new Server([Pod("a", "first", "1")], [Pod("a", "second", "5")]);
        var told = Channel.CreateUnbounded<string>();
        var time = new HandTime();
        using var informer = new Informer<V1Pod>(server, time, NullLogger<Informer<V1Pod>>.Instance);
        informer.AddEventHandler(pod => told.Writer.TryWrite(pod.Metadata.Uid!));
        await informer.StartAsync(CancellationToken.None);
        (await NextAsync(told)).Should().Be("first");
        (await server.WatchedAsync()).Fail();
        await AdvanceUntilAsync(time, () => server.Lists == 2);

        new[] { await NextAsync(told), await NextAsync(told) }.Should().BeEquivalentTo(
            ["first", "second"], "who waits for the first one to go must hear that it went");
        await informer.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task Tells_all_of_an_object_and_keeps_what_is_asked_for_later()
    {
        var server = new Server([Pod("a", "first", "1")]);
        var told = Channel.CreateUnbounded<string>();
        using var informer = new Informer<V1Pod>(server, new HandTime(), NullLogger<Informer<V1Pod>>.Instance);
        informer.SetTransform(pod => pod with { Metadata = pod.Metadata with { Uid = null } });
        informer.AddEventHandler(pod => told.Writer.TryWrite(pod.Metadata.Uid!));
        await informer.StartAsync(CancellationToken.None);

        (await NextAsync(told)).Should().Be("first");
        informer.Find(new ObjectKey("ns", "a"))!.Metadata.Uid.Should().BeNull();
        await informer.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task Watches_that_end_at_once_are_not_asked_for_in_a_loop()
    {
        var server = new Server([Pod("a", "first", "1")]) { WatchesEndAtOnce = true };
        var time = new HandTime();
        using var informer = new Informer<V1Pod>(server, time, NullLogger<Informer<V1Pod>>.Instance);
        await informer.StartAsync(CancellationToken.None);
        await informer.Synced.WaitAsync(Wait.Patience);
        await server.WatchedAsync();

        server.Watches.Should().BeLessThan(3, "no time has passed");
        await AdvanceUntilAsync(time, () => server.Watches >= 3);
        server.Lists.Should().Be(1, "a watch that ended in good order goes on where it was");
        await informer.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task A_watch_that_the_server_forgot_is_given_up()
    {
        var server = new Server([Pod("a", "first", "1")], [Pod("b", "other", "7")]);
        var time = new HandTime();
        using var informer = new Informer<V1Pod>(server, time, NullLogger<Informer<V1Pod>>.Instance);
        await informer.StartAsync(CancellationToken.None);
        await server.WatchedAsync();

        time.Advance(TimeSpan.FromMinutes(5) - TimeSpan.FromSeconds(1));
        server.Lists.Should().Be(1);
        await AdvanceUntilAsync(
            time, () => informer.Find(new ObjectKey("ns", "b")) is not null, TimeSpan.FromMinutes(1));
        await informer.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task Sessions_that_fail_become_rare_until_one_tells_something()
    {
        var time = new HandTime();
        var server =
            new Server([Pod(
                "a", "first", "1")]) { Time = time, Refusal = () => new HttpRequestException("nobody is there") };
        using var informer = new Informer<V1Pod>(server, time, NullLogger<Informer<V1Pod>>.Instance);
        await informer.StartAsync(CancellationToken.None);

        await AdvanceUntilAsync(time, () => server.Lists == 8, TimeSpan.FromSeconds(1));
        // 1, 2, 4, 8, 16, 30 and 30 s, and up to a quarter more of each; the last one began just now.
        (time.GetUtcNow() - server.Began[0])
            .Should().BeGreaterThan(TimeSpan.FromSeconds(85)).And.BeLessThan(TimeSpan.FromSeconds(130));

        server.Refusal = null;
        (await WatchAsync(server, time)).Say(Pod("b", "b", "11"));
        await AdvanceUntilAsync(time, () => informer.Find(new ObjectKey("ns", "b")) is not null, TimeSpan.Zero);
        server.Last.Fail();
        var failed = server.Lists;
        time.Advance(TimeSpan.FromSeconds(2));
        await AdvanceUntilAsync(time, () => server.Lists > failed, TimeSpan.Zero);
        await informer.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task A_server_that_asks_to_be_left_alone_is()
    {
        var time = new HandTime();
        var server = new Server([Pod("a", "first", "1")])
        {
            Time = time,
            Refusal = () => new KubernetesException(
                HttpStatusCode.TooManyRequests, new V1Status()) { RetryAfter = TimeSpan.FromSeconds(17) },
        };
        using var informer = new Informer<V1Pod>(server, time, NullLogger<Informer<V1Pod>>.Instance);
        await informer.StartAsync(CancellationToken.None);

        await AdvanceUntilAsync(time, () => server.Lists == 2, TimeSpan.FromSeconds(1));

        (server.Began[1] - server.Began[0]).Should().BeGreaterThanOrEqualTo(TimeSpan.FromSeconds(17));
        await informer.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task An_index_finds_what_is_there_and_only_that()
    {
        var server = new Server(
            [On("n1", Pod("a", "a", "1")), On("n1", Pod("b", "b", "1")), Pod("none", "none", "1")],
            [On("n2", Pod("a", "a", "5")), On("n1", Pod("c", "c", "5")), On("n1", Pod("none", "none", "5"))]);
        var time = new HandTime();
        var byNode = new ObjectIndex<V1Pod>(pod => pod.Spec.NodeName);
        using var informer = new Informer<V1Pod>(server, time, NullLogger<Informer<V1Pod>>.Instance);
        informer.AddIndex(byNode);
        await informer.StartAsync(CancellationToken.None);
        (await server.WatchedAsync()).Fail();
        Names("n1").Should().Equal("a", "b");
        Names("n2").Should().BeEmpty();

        await AdvanceUntilAsync(time, () => server.Lists == 2 && informer.Find(new ObjectKey("ns", "b")) is null);
        Names("n1").Should().Equal("c", "none");
        Names("n2").Should().Equal("a");
        await informer.StopAsync(CancellationToken.None);

        IEnumerable<string> Names(string node) =>
            informer.ByIndex(byNode, node).Select(p => p.Metadata.Name!).Order(StringComparer.Ordinal);
    }

    private static async Task<Session> WatchAsync(Server server, HandTime time)
    {
        var watched = server.WatchedAsync();
        await AdvanceUntilAsync(time, () => watched.IsCompleted, TimeSpan.FromSeconds(1));
        return await watched;
    }

    private static V1Pod On(string node, V1Pod pod) => pod with { Spec = new V1PodSpec { NodeName = node } };

    private static V1Pod Pod(string name, string uid, string version) => new()
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = "ns", Uid = uid, ResourceVersion = version },
    };

    private static async Task<string> NextAsync(Channel<string> told)
    {
        using var patience = new CancellationTokenSource(Wait.Patience);
        return await told.Reader.ReadAsync(patience.Token);
    }

    /// <summary>Lets the informer's own time pass; how often it is looked costs only real time.</summary>
    private static async Task AdvanceUntilAsync(HandTime time, Func<bool> condition, TimeSpan? step = null)
    {
        using var patience = new CancellationTokenSource(Wait.Patience);
        while (!condition())
        {
            time.Advance(step ?? TimeSpan.FromMilliseconds(100));
            await Task.Delay(5, patience.Token);
        }
    }

    /// <summary>Answers list after list, the last one for ever; a watch says nothing until it is failed.</summary>
    private sealed class Server(params V1Pod[][] lists) : IKubernetes
    {
        private readonly Channel<Session> _sessions = Channel.CreateUnbounded<Session>();
        private int _lists;
        private int _watches;

        /// <summary>What every list fails with; null: it does not.</summary>
        public Func<Exception>? Refusal { get; set; }

        public HandTime? Time { get; init; }

        /// <summary>When each list was asked for.</summary>
        public List<DateTimeOffset> Began { get; } = [];

        public Session Last { get; private set; } = null!;

        public bool WatchesEndAtOnce { get; init; }

        public int Lists => Volatile.Read(ref _lists);

        public int Watches => Volatile.Read(ref _watches);

        public async Task<Session> WatchedAsync()
        {
            using var patience = new CancellationTokenSource(Wait.Patience);
            return await _sessions.Reader.ReadAsync(patience.Token);
        }

        public Task<KubernetesList<T>> ListAsync<T>(ListOptions options, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta>
        {
            Began.Add(Time?.GetUtcNow() ?? default);
            if (Refusal is { } refusal)
            {
                Interlocked.Increment(ref _lists);
                return Task.FromException<KubernetesList<T>>(refusal());
            }

            var page = lists[Math.Min(Interlocked.Increment(ref _lists), lists.Length) - 1];
            return Task.FromResult(new KubernetesList<T>
            {
                Metadata = new V1ListMeta { ResourceVersion = "10" }, Items = [.. page.Cast<T>()],
            });
        }

        public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(
            ListOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta>
        {
            var session = Last = new Session();
            _sessions.Writer.TryWrite(session);
            // A loop that never yields would never be stopped: enough is enough.
            if (Interlocked.Increment(ref _watches) > 1000 || !WatchesEndAtOnce)
            {
                if (await session.Said.WaitAsync(cancellationToken) is { } told)
                {
                    yield return new WatchEvent<T>(WatchEventType.Added, (T)(object)told);
                }

                await session.Failed.WaitAsync(cancellationToken);
            }

            yield break;
        }

        public Task<T> GetAsync<T>(string? namespaceName, string name, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

        public Task<T> CreateAsync<T>(T item, bool dryRun, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

        public Task<T> ReplaceAsync<T>(T item, string? subresource, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

        public Task<T> PatchAsync<T>(
            string? namespaceName, string name, string? subresource, PatchType type, string patch, string fieldManager,
            CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

        public Task DeleteAsync<T>(
            string? namespaceName, string name, V1DeleteOptions options, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();
    }

    private sealed class Session
    {
        private readonly TaskCompletionSource<V1Pod?> _said = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<V1Pod?> Said => _said.Task;

        public Task Failed => _failed.Task;

        public void Say(V1Pod pod) => _said.TrySetResult(pod);

        public void Fail()
        {
            _failed.TrySetException(new HttpRequestException("the line is cut"));
            _said.TrySetResult(null);
        }
    }
}
