using System.Net;
using System.Runtime.CompilerServices;
using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Following;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Unit.Kubectl;

/// <summary>An object followed across everything that a network and a server do meanwhile.</summary>
internal sealed class FollowerTests
{
    /// <summary>The server, or somebody on the way to it, does not know of the watch any more.</summary>
    private static readonly object Forgotten = new();

    private readonly List<string> _told = [];

    [Test]
    public async Task Goes_on_after_what_passes()
    {
        var seen = await FollowAsync(
            Item("1"), new IOException("reset"),
            // A server that has just started answers so until it serves the kind.
            Refused(HttpStatusCode.NotFound, null, "404 page not found"), new HttpRequestException("refused"),
            Refused(HttpStatusCode.ServiceUnavailable, "ServiceUnavailable", "later"), Item("2"),
            new[] { (WatchEventType.Modified, Item("3")), (WatchEventType.Bookmark, Item("4")) }, Item("5"),
            new[] { (WatchEventType.Deleted, Item("6")) });

        seen.Should().Equal("1", "2", "3", "5");
        _told.Should().ContainSingle().Which.Should().Contain("connection lost, trying again");
    }

    [Test]
    public async Task Ends_when_the_object_is_gone() => (await FollowAsync(
        Item("1"), new IOException("reset"),
        Refused(HttpStatusCode.NotFound, "NotFound", "podmigrations \"x\" not found")))
        .Should().Equal("1");

    [Test]
    public async Task Takes_no_namesake_for_the_object()
    {
        (await FollowAsync(Item("1"), new IOException("reset"), Item("2", uid: "other"))).Should().Equal("1");
        (await FollowAsync(Item("1"), new[] { (WatchEventType.Modified, Item("2", uid: "other")) }))
            .Should().Equal("1");
    }

    [Test]
    public async Task Asks_again_when_a_watch_says_nothing_and_does_not_end() =>
        (await FollowAsync(Item("1"), Forgotten, Item("2"), new[] { (WatchEventType.Deleted, Item("3")) })
            .WaitAsync(Wait.Patience))
        .Should().Equal("1", "2");

    [TestCase(HttpStatusCode.Forbidden)]
    [TestCase(HttpStatusCode.Unauthorized)]
    public async Task Stops_when_it_is_not_allowed(HttpStatusCode code) =>
        await FluentActions
            .Awaiting(() => FollowAsync(Item("1"), new IOException("reset"), Refused(code, code.ToString(), "no")))
            .Should().ThrowAsync<KubernetesException>();

    [Test]
    public async Task Knows_of_all_what_there_is_across_lost_connections()
    {
        var told = new List<string>();
        var follower = new Follower(
            new Scripted([
                new HttpRequestException("refused"),
                new[] { Item("1"), Item("2", uid: "v") },
                new[] { (WatchEventType.Modified, Item("3")), (WatchEventType.Bookmark, Item("4")) },
                new IOException("reset"),
                new[] { Item("5"), Item("6", uid: "w") }, Refused(HttpStatusCode.Gone, "Expired", "too old"),
                new[] { Item("5"), Item("6", uid: "w") },
                new[] { (WatchEventType.Deleted, Item("7")), (WatchEventType.Added, Item("8", uid: "x")) },
            ]),
            new NoWaiting(), told.Add);
        var seen = new List<string>();
        await foreach (var all in follower.FollowAllAsync<PodMigration>(
            new ListOptions { Namespace = "shop" }, CancellationToken.None))
        {
            seen.Add(string.Join(' ', all.OrderBy(one => one.Key, StringComparer.Ordinal)
                .Select(one => one.Key + one.Value.Metadata.ResourceVersion)));
            if (all.ContainsKey("x"))
            {
                break;
            }
        }

        seen.Should().Equal("u1 v2", "u3 v2", "u5 w6", "u5 w6", "w6", "w6 x8");
        told.Should().HaveCount(2).And.OnlyContain(line => line.StartsWith("connection lost, trying again: "));
    }

    private async Task<List<string>> FollowAsync(params object[] answers)
    {
        var seen = new List<string>();
        var follower = new Follower(new Scripted(answers), new NoWaiting(), _told.Add);
        await foreach (var item in follower.FollowAsync<PodMigration>("shop", "x", "u", CancellationToken.None))
        {
            seen.Add(item.Metadata.ResourceVersion!);
        }

        return seen;
    }

    private static PodMigration Item(string version, string uid = "u") => new()
    {
        Metadata = new V1ObjectMeta { Name = "x", NamespaceProperty = "shop", Uid = uid, ResourceVersion = version },
    };

    private static KubernetesException Refused(HttpStatusCode code, string? reason, string message) =>
        new(code, new V1Status { Reason = reason, Message = message });

    /// <summary>A server that answers in a given order; one answer is for one read or one watch.</summary>
    private sealed class Scripted(IEnumerable<object> answers) : IKubernetes
    {
        private readonly Queue<object> _answers = new(answers);

        public Task<T> GetAsync<T>(string? namespaceName, string name, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> =>
            _answers.Dequeue() switch
            {
                Exception exception => Task.FromException<T>(exception),
                var item => Task.FromResult((T)item),
            };

        public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(
            ListOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta>
        {
            (options.FieldSelector ?? options.ResourceVersion).Should().BeOneOf("metadata.name=x", "listed");
            await Task.Yield();
            var answer = _answers.Dequeue();
            options.Timeout.Should().BeLessThan(TimeSpan.FromMinutes(10));
            if (answer is Exception exception)
            {
                throw exception;
            }

            if (answer == Forgotten)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            }

            foreach (var (type, item) in ((WatchEventType, PodMigration)[])answer)
            {
                yield return new WatchEvent<T>(type, (T)(object)item);
            }
        }

        public Task<KubernetesList<T>> ListAsync<T>(ListOptions options, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> =>
            _answers.Dequeue() switch
            {
                Exception exception => Task.FromException<KubernetesList<T>>(exception),
                var items => Task.FromResult(
                    new KubernetesList<T> { Metadata = new V1ListMeta
                    {
                        ResourceVersion = "listed",
                    }, Items = (T[])items }),
            };

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

    /// <summary>Whatever is waited for has passed already.</summary>
    private sealed class NoWaiting : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            base.CreateTimer(callback, state, TimeSpan.Zero, period);
    }
}
