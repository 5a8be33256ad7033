using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Runtime;

public sealed class WorkQueueTests
{
    private static readonly ObjectKey Key = new("ns", "a");

    [Test]
    public async Task A_waiting_key_is_there_once()
    {
        using var queue = new WorkQueue(TimeProvider.System);
        queue.Add(Key);
        queue.Add(Key);
        (await queue.GetAsync(CancellationToken.None)).Should().Be(Key);
        queue.Done(Key);
        queue.Count.Should().Be(0);
    }

    [Test]
    public async Task A_key_added_while_it_is_worked_on_runs_once_more_afterwards()
    {
        using var queue = new WorkQueue(TimeProvider.System);
        queue.Add(Key);
        await queue.GetAsync(CancellationToken.None);
        queue.Add(Key);
        queue.Count.Should().Be(0, "one key has one worker");
        queue.Done(Key);
        queue.Count.Should().Be(1);
    }

    [Test]
    public void Later_comes_when_its_time_has_come_and_of_two_times_the_earlier_counts()
    {
        var time = new HandTime();
        using var queue = new WorkQueue(time);
        queue.AddAfter(Key, TimeSpan.FromSeconds(10));
        queue.AddAfter(Key, TimeSpan.FromSeconds(2));
        queue.AddAfter(Key, TimeSpan.FromSeconds(5));
        time.Advance(TimeSpan.FromSeconds(1.9));
        queue.Count.Should().Be(0);
        time.Advance(TimeSpan.FromSeconds(0.2));
        queue.Count.Should().Be(1);
    }

    [Test]
    public void Failures_wait_longer_each_time_until_they_are_forgotten()
    {
        var time = new HandTime();
        using var queue = new WorkQueue(time);
        queue.AddRateLimited(Key);
        time.Advance(TimeSpan.FromSeconds(0.5));
        queue.Count.Should().Be(1);
        var other = new ObjectKey("ns", "b");
        queue.AddRateLimited(other);
        time.Advance(TimeSpan.FromSeconds(0.5));
        queue.AddRateLimited(other);
        time.Advance(TimeSpan.FromSeconds(0.9));
        queue.Count.Should().Be(2, "the second wait is twice the first, and what waits already counts once");
    }

    [Test]
    public void A_clock_that_is_set_forward_does_not_put_off_what_is_due_sooner()
    {
        var time = new HandTime();
        using var queue = new WorkQueue(time);
        queue.AddAfter(Key, TimeSpan.FromMinutes(5));
        time.SetClock(TimeSpan.FromHours(1));
        queue.AddAfter(Key, TimeSpan.FromSeconds(2));
        time.Advance(TimeSpan.FromSeconds(3));
        queue.Count.Should().Be(1, "how long is not when: somebody may set the clock");
    }

    [Test]
    public async Task A_timer_that_was_replaced_while_it_fired_takes_nothing_away()
    {
        var time = new HandTime();
        using var queue = new WorkQueue(time);
        queue.AddAfter(Key, TimeSpan.FromSeconds(10));
        var late = time.Callbacks.Single();
        queue.AddAfter(Key, TimeSpan.FromSeconds(5));
        late();
        queue.Count.Should().Be(0, "the earlier time stands in its place");
        time.Advance(TimeSpan.FromSeconds(5));
        (await queue.GetAsync(CancellationToken.None)).Should().Be(Key);
    }

    [Test]
    public void A_time_that_no_timer_can_wait_for_is_not_a_failure()
    {
        var time = new HandTime();
        using var queue = new WorkQueue(time);
        queue.AddAfter(Key, TimeSpan.FromDays(1000));
        queue.AddAfter(Key, TimeSpan.FromSeconds(1));
        time.Advance(TimeSpan.FromSeconds(1));
        queue.Count.Should().Be(1);
    }

    [Test]
    public async Task Failures_of_runs_that_events_asked_for_do_not_lengthen_the_wait()
    {
        var time = new HandTime();
        using var queue = new WorkQueue(time);
        for (var i = 0; i < 12; i++)
        {
            queue.Add(Key);
            await queue.GetAsync(CancellationToken.None);
            queue.AddRateLimited(Key);
            queue.Done(Key);
        }

        time.Advance(TimeSpan.FromSeconds(0.5));
        await queue.GetAsync(CancellationToken.None);
        queue.AddRateLimited(Key);
        queue.Done(Key);
        time.Advance(TimeSpan.FromSeconds(1));
        queue.Count.Should().Be(1, "it has waited for one failure only, so this is the second");
    }

    [Test]
    public async Task No_failure_waits_longer_than_the_queue_allows()
    {
        var time = new HandTime();
        using var queue = new WorkQueue(time, longestDelay: TimeSpan.FromSeconds(10));
        for (var i = 0; i < 12; i++)
        {
            queue.AddRateLimited(Key);
            time.Advance(TimeSpan.FromSeconds(10));
            queue.Count.Should().Be(1);
            await queue.GetAsync(CancellationToken.None);
            queue.Done(Key);
        }
    }

    [Test]
    public async Task What_has_begun_comes_before_any_number_of_new_ones()
    {
        using var queue =
            new WorkQueue(TimeProvider.System, isNew: key => key.Name.StartsWith("new", StringComparison.Ordinal));
        for (var n = 0; n < 1000; n++)
        {
            queue.Add(new ObjectKey("ns", $"new{n}"));
        }

        queue.Add(Key);
        queue.Count.Should().Be(1001);
        (await queue.GetAsync(CancellationToken.None)).Should().Be(Key);
        queue.Add(Key);
        (await queue.GetAsync(CancellationToken.None)).Name.Should().Be("new0", "nobody has the same key twice");
        queue.Done(Key);
        (await queue.GetAsync(CancellationToken.None)).Should().Be(Key);
        (await queue.GetAsync(CancellationToken.None)).Name.Should().Be("new1", "new ones come in their order");
        for (var n = 0; n < 10; n++)
        {
            queue.Add(new ObjectKey("ns", $"begun{n}"));
        }

        var next = new List<string>();
        for (var n = 0; n < 8; n++)
        {
            next.Add((await queue.GetAsync(CancellationToken.None)).Name);
        }

        next.Should().Equal(
            ["begun0", "begun1", "begun2", "new2", "begun3", "begun4", "begun5", "new3"],
            "they wait long, but not for ever");
    }

    [Test]
    public async Task Tells_since_when_the_run_that_is_going_on_has_been_due()
    {
        var time = new HandTime();
        using var queue = new WorkQueue(time);
        queue.Add(Key);
        time.Advance(TimeSpan.FromSeconds(3));
        queue.Add(Key);
        await queue.GetAsync(CancellationToken.None);
        time.Advance(TimeSpan.FromSeconds(1));
        queue.Add(Key);
        time.GetElapsedTime(queue.DueAt(Key)!.Value).TotalSeconds
            .Should().Be(4, "the first of them counts, and the one for the next run does not");
        time.Advance(TimeSpan.FromSeconds(5));
        queue.Done(Key);
        time.Advance(TimeSpan.FromSeconds(2));
        await queue.GetAsync(CancellationToken.None);
        time.GetElapsedTime(queue.DueAt(Key)!.Value).TotalSeconds
            .Should().Be(2, "while the other run went on it could not");
    }

    [Test]
    public async Task New_keys_leave_the_other_workers_to_those_that_have_begun()
    {
        using var queue = new WorkQueue(
            TimeProvider.System, isNew: key => key.Name.StartsWith("new", StringComparison.Ordinal), mostNew: 2);
        for (var n = 0; n < 5; n++)
        {
            queue.Add(new ObjectKey("ns", $"new{n}"));
        }

        var (first, _) = (await queue.GetAsync(CancellationToken.None), await queue.GetAsync(CancellationToken.None));
        var third = queue.GetAsync(CancellationToken.None);
        third.IsCompleted.Should().BeFalse("two workers have new ones");
        queue.Add(Key);
        (await third).Should().Be(Key);
        queue.Done(first);
        (await queue.GetAsync(CancellationToken.None)).Name.Should().Be("new2");
        queue.GetAsync(CancellationToken.None).IsCompleted.Should().BeFalse();
        queue.Count.Should().Be(2);
    }

    [Test]
    public async Task A_new_key_that_may_begin_waits_no_longer_for_other_new_ones()
    {
        var time = new HandTime();
        var begun = new HashSet<ObjectKey>();
        using var queue = new WorkQueue(time, isNew: key => !begun.Contains(key), mostNew: 1);
        for (var n = 0; n < 3; n++)
        {
            queue.Add(new ObjectKey("ns", $"new{n}"));
        }

        await queue.GetAsync(CancellationToken.None);
        time.Advance(TimeSpan.FromSeconds(9));
        var last = new ObjectKey("ns", "new2");
        queue.DueAt(new ObjectKey("ns", "new0")).Should().BeNull("it waits for others, which is nobody's delay");
        begun.Add(last);
        queue.Add(last);
        time.Advance(TimeSpan.FromSeconds(1));

        (await queue.GetAsync(CancellationToken.None)).Should().Be(last);
        time.GetElapsedTime(queue.DueAt(last)!.Value).TotalSeconds.Should().Be(1, "since it may begin");
        queue.Done(new ObjectKey("ns", "new0"));
        queue.Done(last);
        (await queue.GetAsync(CancellationToken.None)).Name.Should().Be("new1");
        queue.GetAsync(CancellationToken.None).IsCompleted.Should().BeFalse("each was there once");
    }

    [Test]
    public async Task A_new_key_that_may_begin_when_it_was_offered_to_a_worker_is_taken_once()
    {
        var begun = new HashSet<ObjectKey>();
        using var queue = new WorkQueue(TimeProvider.System, isNew: key => !begun.Contains(key), mostNew: 1);
        queue.Add(Key);
        begun.Add(Key);
        queue.Add(Key);

        (await queue.GetAsync(CancellationToken.None)).Should().Be(Key);
        queue.GetAsync(CancellationToken.None).IsCompleted.Should().BeFalse();
        queue.Count.Should().Be(0);
    }
}
