using System.Collections.Concurrent;
using System.Diagnostics;
using FluentAssertions;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;
using PodCheckpointing.Runtime;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Runtime;

internal sealed class InformerTests : RuntimeTests
{
    private FlakyKubernetes _line = null!;
    private Informer<V1Pod> _informer = null!;
    private ConcurrentQueue<string> _told = null!;

    [SetUp]
    public async Task Watch()
    {
        _line = new FlakyKubernetes(Client);
        _told = new ConcurrentQueue<string>();
        _informer = new Informer<V1Pod>(_line, TimeProvider.System, NullLogger<Informer<V1Pod>>.Instance);
        _informer.AddEventHandler(pod => _told.Enqueue(pod.Metadata.Name!));
        await _informer.StartAsync(CancellationToken.None);
        await _informer.Synced.WaitAsync(TimeSpan.FromSeconds(120));
    }

    [TearDown]
    public async Task Unwatch()
    {
        await _informer.StopAsync(CancellationToken.None);
        _informer.Dispose();
        foreach (var pod in (await Client.ListAsync<V1Pod>(new ListOptions(), CancellationToken.None)).Items)
        {
            await DeleteAsync(pod.Metadata.Name!);
        }
    }

    [Test]
    public async Task Sees_what_comes_changes_and_goes()
    {
        await Client.CreateAsync(Pod("seen"), CancellationToken.None);
        await Wait.UntilAsync(() => Find("seen") is not null);
        await LabelAsync("seen", "new");
        await Wait.UntilAsync(() => Find("seen")?.Metadata.Labels?["l"] == "new");
        await DeleteAsync("seen");
        await Wait.UntilAsync(() => Find("seen") is null);

        _told.Should().OnlyContain(name => name == "seen").And.HaveCountGreaterThanOrEqualTo(3);
    }

    [Test]
    public async Task Lists_more_than_a_page()
    {
        await Parallel.ForEachAsync(
            Enumerable.Range(0, 620), new ParallelOptions { MaxDegreeOfParallelism = 16 },
            async (n, t) => await Client.CreateAsync(Pod($"many-{n}"), t));
        _line.Cut();
        _line.Mend();

        using var second = new Informer<V1Pod>(_line, TimeProvider.System, NullLogger<Informer<V1Pod>>.Instance);
        await second.StartAsync(CancellationToken.None);
        await second.Synced.WaitAsync(TimeSpan.FromSeconds(120));

        second.All.Should().HaveCount(620);
        await second.StopAsync(CancellationToken.None);
        await Wait.UntilAsync(() => _informer.All.Count == 620);
    }

    [TestCase("cut", true, false)]
    [TestCase("ended", false, false)]
    [TestCase("forgotten", true, true)]
    public async Task Finds_out_what_happened_while_it_saw_nothing(string watch, bool lists, bool gone)
    {
        foreach (var name in new[] { "stays", "goes", "changes", "returns" })
        {
            await Client.CreateAsync(Pod(name), CancellationToken.None);
        }

        await Wait.UntilAsync(() => _informer.All.Count == 4);
        var first = Find("returns")!.Metadata.Uid;
        var listed = _line.Lists;
        if (watch == "cut")
        {
            _line.Cut();
        }
        else
        {
            _line.EndWatches();
        }

        _told.Clear();
        await DeleteAsync("goes");
        await LabelAsync("changes", "later");
        await DeleteAsync("returns");
        await Client.CreateAsync(Pod("returns"), CancellationToken.None);
        await Client.CreateAsync(Pod("comes"), CancellationToken.None);
        if (watch == "forgotten")
        {
            await Server.CompactAsync();
            // It remembers by itself what etcd has forgotten, for as long as it lives.
            await Server.RestartAsync("kube-apiserver");
        }

        _line.Mend();

        await Wait.UntilAsync(() => Find("comes") is not null && Find("goes") is null
            && Find("changes")?.Metadata.Labels?["l"] == "later"
            && Find("returns") is { } again
            && again.Metadata.Uid != first);
        _informer.All.Select(p => p.Metadata.Name).Should().BeEquivalentTo("stays", "changes", "returns", "comes");
        _told.Distinct()
            .Should().BeEquivalentTo(["goes", "changes", "returns", "comes"], "nothing happened to the other one");
        (_line.Lists > listed).Should().Be(lists, "a watch that ended in good order goes on where it was, if it can");
        (_line.Gone > 0).Should().Be(gone);
        await DeleteAsync("stays");
        await Wait.UntilAsync(() => Find("stays") is null);
    }

    [TestCase("kube-apiserver")]
    [TestCase("etcd")]
    public async Task Goes_on_after_a_restart_of(string part)
    {
        await Client.CreateAsync(Pod("before"), CancellationToken.None);
        await Wait.UntilAsync(() => Find("before") is not null);

        await Server.RestartAsync(part);
        await DeleteAsync("before");
        await Client.CreateAsync(Pod("after"), CancellationToken.None);

        await Wait.UntilAsync(() => Find("before") is null && Find("after") is not null);
    }

    [Test]
    public async Task A_server_that_is_away_is_asked_once_in_a_while()
    {
        _line.Cut();
        var before = _line.Lists;
        var began = Stopwatch.GetTimestamp();
        await Wait.UntilAsync(() => _line.Lists >= before + 4);

        Stopwatch.GetElapsedTime(began)
            .Should().BeGreaterThan(TimeSpan.FromSeconds(2), "it is tried about once a second, never in a loop");
        _line.Mend();
        await Client.CreateAsync(Pod("back"), CancellationToken.None);
        await Wait.UntilAsync(() => Find("back") is not null);
    }

    private V1Pod? Find(string name) => _informer.Find(new ObjectKey("default", name));
}
