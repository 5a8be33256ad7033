using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Storage;
using PodCheckpointing.TestKit;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Unit.Storage;

/// <summary>Marks by which two nodes find out that they see one volume.</summary>
public sealed class StoreMarksTests : StoreFolder
{
    private HandTime _time = null!;

    private IEnumerable<string> Left => Directory.GetFiles(Root)
        .Select(p => Path.GetFileName(p))
        .Where(n => n.StartsWith(".mark-", StringComparison.Ordinal));

    [SetUp]
    public void Begin()
    {
        _time = new HandTime();
        _time.SetClock(DateTime.UtcNow - DateTime.UnixEpoch);
    }

    [Test]
    public async Task What_one_node_leaves_the_other_finds()
    {
        var mark = new StoreMarks(Root, _time).Leave();

        (await new StoreMarks(Root, _time).FindAsync(mark, CancellationToken.None)).Should().BeTrue();
        (await new StoreMarks(Root, _time).FindAsync(mark, CancellationToken.None))
            .Should().BeTrue("it may be asked again");
    }

    [Test]
    public async Task A_mark_on_another_volume_is_not_found()
    {
        var mark = new StoreMarks(Out, TimeProvider.System).Leave();
        (await new StoreMarks(Root, TimeProvider.System).FindAsync(mark, CancellationToken.None)).Should().BeFalse();
    }

    [Test]
    public async Task A_mark_that_a_slow_server_shows_late_is_waited_for()
    {
        var mark = new StoreMarks(Out, _time).Leave();
        var finding = new StoreMarks(Root, _time).FindAsync(mark, CancellationToken.None);
        finding.IsCompleted.Should().BeFalse();

        File.Copy(Path.Combine(Out, ".mark-" + mark), Path.Combine(Root, ".mark-" + mark));
        _time.Advance(TimeSpan.FromMilliseconds(100));

        (await finding.WaitAsync(Wait.Patience)).Should().BeTrue();
    }

    [Test]
    public void A_fresh_mark_serves_everybody_and_old_ones_go()
    {
        var marks = new StoreMarks(Root, _time);
        var first = marks.Leave();
        marks.Leave().Should().Be(first);
        _time.Advance(StoreMarks.Fresh);
        marks.Leave().Should().NotBe(first);
        Left.Should().HaveCount(2);

        foreach (var file in Left.ToList())
        {
            File.SetLastWriteTimeUtc(
                Path.Combine(Root, file), DateTime.UtcNow - StoreMarks.Lifetime - TimeSpan.FromSeconds(1));
        }

        var other = new StoreMarks(Root, _time).Leave();
        Left.Should().Equal(".mark-" + other);
    }

    [Test]
    public void Who_has_left_a_mark_removes_it()
    {
        using var marks = new StoreMarks(Root, _time);
        marks.Leave();
        _time.Advance(StoreMarks.Lifetime - TimeSpan.FromSeconds(1));
        Left.Should().ContainSingle();
        _time.Advance(TimeSpan.FromSeconds(1));
        Left.Should().BeEmpty();

        marks.Leave();
        marks.Dispose();
        Left.Should().BeEmpty("an agent that is stopped leaves nothing");
    }

    [Test]
    public void The_sweep_takes_what_was_left_until_then()
    {
        new StoreMarks(Root, TimeProvider.System).Leave();
        // A clock that is wrong, and not the volume's.
        _time.Advance(TimeSpan.FromDays(400));
        new StoreMarks(Root, _time).Sweep(TimeSpan.FromMinutes(1));
        Left.Should().ContainSingle();
        new StoreMarks(Root, _time).Sweep(TimeSpan.Zero);
        Left.Should().BeEmpty();
    }

    [TestCase("")]
    [TestCase("../../etc/passwd")]
    [TestCase("0123456789ABCDEF0123456789ABCDEF")]
    public Task What_is_no_mark_is_refused(string mark) =>
        FluentActions
            .Awaiting(() => new StoreMarks(Root, TimeProvider.System).FindAsync(mark, CancellationToken.None))
            .Should().ThrowAsync<ArgumentException>();
}
