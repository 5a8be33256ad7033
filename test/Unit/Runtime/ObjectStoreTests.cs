using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Runtime;

/// <summary>What is written here is seen at once, whichever way the watch is behind or ahead.</summary>
public sealed class ObjectStoreTests
{
    private static readonly ObjectKey A = new("ns", "a");
    private readonly List<string> _told = [];
    private ObjectStore<V1Pod> _store = null!;

    [SetUp]
    public void Begin()
    {
        _told.Clear();
        _store = new ObjectStore<V1Pod>((item, _, kept) => _told.Add(
            kept is null ? $"-{item.Metadata.Uid}" : $"{item.Metadata.Uid}@{item.Metadata.ResourceVersion}"));
        _store.AddPage([Pod("a", "u", 5)], "10");
        _store.EndList([A], "10");
        _told.Clear();
    }

    [Test]
    public void What_was_written_is_there_before_the_watch_tells_and_is_told_once()
    {
        _store.RecordWrite(Pod("a", "u", 12));
        _store.ApplyEvent(WatchEventType.Modified, Pod("a", "u", 11));
        _store.ApplyEvent(WatchEventType.Modified, Pod("a", "u", 12));

        _store.Find(A)!.Metadata.ResourceVersion.Should().Be("12", "the watch was behind");
        _told.Should().Equal("u@12");
    }

    [Test]
    public void An_answer_that_comes_after_the_watch_has_told_of_the_end_brings_nothing_back()
    {
        _store.ApplyEvent(WatchEventType.Modified, Pod("a", "u", 12));
        _store.ApplyEvent(WatchEventType.Deleted, Pod("a", "u", 13));
        _store.RecordWrite(Pod("a", "u", 12));

        _store.Find(A).Should().BeNull();
        _told.Should().Equal("u@12", "-u");
    }

    [Test]
    public void What_was_made_here_outlives_the_end_of_its_namesake_and_a_list_from_before()
    {
        _store.RecordWrite(Pod("a", "second", 20));
        _store.RecordWrite(Pod("b", "other", 21));
        _store.ApplyEvent(WatchEventType.Deleted, Pod("a", "u", 15));
        _store.AddPage([Pod("a", "u", 5)], "15");
        _store.EndList([A], "15");

        _store.Find(A)!.Metadata.Uid.Should().Be("second");
        _store.Find(new ObjectKey("ns", "b")).Should().NotBeNull();
        _store.AddPage([], "30");
        _store.EndList([], "30");
        _store.All.Should().BeEmpty("a later list knows");
    }

    [Test]
    public void One_whose_last_finalizer_was_taken_has_none_until_the_watch_tells_its_end()
    {
        _store.ApplyEvent(WatchEventType.Modified, Leaving("a", "u", 12, "f"));
        _store.RecordWrite(Leaving("a", "u", 12));

        _store.Find(A)!.Metadata.Finalizers.Should().BeNullOrEmpty();
        _store.ApplyEvent(WatchEventType.Deleted, Leaving("a", "u", 13));
        _store.Find(A).Should().BeNull();
    }

    [Test]
    public void A_server_that_was_put_back_is_believed()
    {
        _store.ApplyEvent(WatchEventType.Modified, Pod("a", "u", 100));
        _store.ApplyEvent(WatchEventType.Added, Pod("b", "v", 101));
        _store.AddPage([Pod("a", "u", 50)], "60");
        _store.EndList([A], "60");

        _store.Find(A)!.Metadata.ResourceVersion.Should().Be("50");
        _store.Find(new ObjectKey("ns", "b")).Should().BeNull();
    }

    [Test]
    public void Of_versions_that_are_no_numbers_nothing_is_concluded()
    {
        var odd = Pod("a", "u", 1) with
        {
            Metadata = new V1ObjectMeta { Name = "a", NamespaceProperty = "ns", Uid = "u", ResourceVersion = "x" },
        };
        _store.RecordWrite(odd);
        _store.Find(A)!.Metadata.ResourceVersion.Should().Be("5");
        _store.ApplyEvent(WatchEventType.Modified, odd);
        _store.Find(A)!.Metadata.ResourceVersion.Should().Be("x");
        _store.ApplyEvent(WatchEventType.Deleted, odd);
        _store.Find(A).Should().BeNull();
    }

    private static V1Pod Pod(string name, string uid, int version) => new()
    {
        Metadata =
            new V1ObjectMeta { Name = name, NamespaceProperty = "ns", Uid = uid, ResourceVersion = $"{version}" },
    };

    private static V1Pod Leaving(string name, string uid, int version, params string[] finalizers) => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = name, NamespaceProperty = "ns",
            Uid = uid, ResourceVersion = $"{version}", DeletionTimestamp = DateTime.UnixEpoch, Finalizers = finalizers,
        },
    };
}
