using FluentAssertions;
using Grpc.Core;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Fences;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Unit.Agent;

internal sealed class FenceBookTests
{
    private const string Pod = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    private static readonly Func<Action<IEnumerable<string>>, Task<int>> Thaw = note =>
    {
        note(["c"]);
        return Task.FromResult(1);
    };

    private readonly HandTime _time = new();
    private string _root = null!;

    /// <summary>Where an agent may have been killed, by the disk operations that it had done.</summary>
    public enum Killed
    {
        BeforeTheFenceWasRenamed,
        WhenTheFenceStood,
        WhenTheMarkStood,
        WhenTheProcessesWentOn,
        WhenTheFenceWasGone,
    }

    private string Fences => Path.Combine(_root, "fences");

    [SetUp]
    public void MakeRoot()
    {
        _root = Directory.CreateTempSubdirectory("fences").FullName;
        _time.Advance(DateTimeOffset.UtcNow - _time.GetUtcNow());
    }

    [TearDown]
    public void RemoveRoot() => Directory.Delete(_root, recursive: true);

    [Test]
    public void A_fence_is_one_file_under_the_pods_uid_and_belongs_to_its_holder()
    {
        var book = New();
        var first = book.Fence(Pod, "m1", "Close");
        book.Fence(Pod, "m1", "Close").Should().Be(first);
        Code(() => book.Fence(Pod, "m2", "Close")).Should().Be(StatusCode.AlreadyExists);
        Files().Should().Equal(Pod);
    }

    [Test]
    public async Task The_age_is_that_of_the_oldest_that_stands()
    {
        var book = New();
        book.OldestAge().Should().Be(TimeSpan.Zero);
        book.Fence("p1", "m1", "Close");
        _time.Advance(TimeSpan.FromMinutes(5));
        book.Fence("p2", "m2", "Close");
        _time.Advance(TimeSpan.FromMinutes(1));

        book.OldestAge().Should().BeCloseTo(TimeSpan.FromMinutes(6), TimeSpan.FromMilliseconds(1));
        await book.LiftAsync("p1", "m1", Thaw);
        book.All().Should().Equal("p2");
        New().OldestAge().Should().BeCloseTo(
            TimeSpan.FromMinutes(1), TimeSpan.FromMilliseconds(1), "another life of the agent knows it too");
    }

    [Test]
    public async Task Only_its_holder_lifts_a_fence()
    {
        var book = New();
        book.Fence(Pod, "m1", "Close");

        await book
            .Awaiting(b => b.LiftAsync(Pod, "m2", _ => throw new InvalidOperationException("another's processes")))
            .Should()
            .ThrowAsync<RpcException>().Where(e => e.StatusCode == StatusCode.FailedPrecondition);
        book.FindForDump(Pod, "m1")!.Holder.Should().Be("m1");
        await book.LiftAsync(Pod, "m1", Thaw);
        book.FindForDump(Pod, "").Should().BeNull();
    }

    [Test]
    public async Task An_end_that_comes_late_leaves_another_migrations_fence()
    {
        var book = New();
        book.Fence(Pod, "m1", "Close");
        var thawed = new TaskCompletionSource<int>();
        var late = book.LiftAsync(Pod, "m1", _ => thawed.Task);
        await book.LiftAsync(Pod, "m1", Thaw);
        book.Fence(Pod, "m2", "Close");

        thawed.SetResult(0);
        await late;

        book.Find(Pod)!.Holder.Should().Be("m2");
    }

    [Test]
    public async Task A_call_that_comes_after_the_fence_was_lifted_fences_nothing_whichever_agent_it_finds()
    {
        New().Fence(Pod, "m1", "Close");
        await New().LiftAsync(Pod, "m1", Thaw);

        Code(() => New().Fence(Pod, "m1", "Close")).Should().Be(StatusCode.FailedPrecondition);

        Files().Should().BeEmpty();
        New().Fence(Pod, "m2", "Close").Holder.Should().Be("m2", "another migration may have it");
    }

    [Test]
    public async Task A_call_that_is_overtaken_by_its_end_fences_nothing()
    {
        await New().LiftAsync(Pod, "m1", _ => throw new InvalidOperationException("there is nothing to continue"));

        Code(() => New().Fence(Pod, "m1", "Close")).Should().Be(StatusCode.FailedPrecondition);
    }

    [Test]
    public async Task While_a_fence_is_lifted_no_dump_begins_under_it()
    {
        var book = New();
        book.Fence("u", "m", "Close");
        var thawed = new TaskCompletionSource<int>();
        var lifting = book.LiftAsync("u", "m", _ => thawed.Task);

        // The thaw has looked for dumps already: one that began now would leave the pod stopped for ever.
        Code(() => book.FindForDump("u", "m")).Should().Be(StatusCode.FailedPrecondition);
        Code(() => book.Fence("u", "m2", "Close")).Should().Be(StatusCode.Unavailable, "it may have it in a moment");
        book.Find("u").Should().NotBeNull("no container may start before the processes run");

        thawed.SetResult(0);
        await lifting;
        book.FindForDump("u", "").Should().BeNull();
        book.Fence("u", "m2", "Close").Holder.Should().Be("m2");
    }

    [Test]
    public async Task What_was_continued_is_told_again_to_a_call_whose_answer_was_lost_and_by_another_agent()
    {
        New().Fence(Pod, "m1", "Close");
        var (processes, containers) = await New().LiftAsync(Pod, "m1", Thaw);
        processes.Should().Be(1);
        containers.Should().Equal("c");

        (await New()
            .LiftAsync(Pod, "m1", _ => throw new InvalidOperationException("there is nothing to continue"))).Containers
            .Should().Equal("c");
        (await New().LiftAsync(Pod, "m2", Thaw)).Containers.Should().BeNull("it never had a fence");
    }

    [Test]
    public async Task What_was_about_to_go_on_when_the_agent_was_killed_is_told_by_the_next_one()
    {
        New().Fence(Pod, "m1", "Close");
        await FluentActions.Awaiting(() => New().LiftAsync(Pod, "m1", note =>
        {
            note(["c"]);
            note(["c", "d"]);
            throw new IOException("killed");
        })).Should().ThrowAsync<IOException>();

        (await New().LiftAsync(Pod, "m1", note =>
        {
            note(["e"]);
            return Task.FromResult(1);
        })).Containers.Should().BeEquivalentTo(["c", "d", "e"], "what went on may have ended by itself since");
    }

    [Test]
    public async Task What_begins_afresh_when_another_call_has_lifted_the_fence_does_not_go_on()
    {
        var book = New();
        book.Fence(Pod, "m1", "Close");
        var lifted = new TaskCompletionSource();
        var late = book.LiftAsync(Pod, "m1", async note =>
        {
            await lifted.Task;
            note(["c"]);
            return 1;
        });
        (await book.LiftAsync(Pod, "m1", _ => Task.FromResult(0))).Containers.Should().BeEmpty();

        lifted.SetResult();

        (await late).Containers.Should().BeEmpty();
    }

    [Test]
    public async Task A_fence_whose_thaw_fails_stands_and_no_dump_begins_under_it()
    {
        var book = New();
        book.Fence("u", "m", "Close");

        await FluentActions.Awaiting(() => book.LiftAsync("u", "m", _ => Task.FromException<int>(new IOException())))
            .Should().ThrowAsync<IOException>();

        book.Find("u")!.Holder.Should().Be("m");
        Code(() => New().FindForDump("u", "m")).Should().Be(StatusCode.FailedPrecondition);
    }

    [Test]
    public async Task Whenever_the_agent_is_killed_the_next_one_lifts_the_fence_for_good([Values] Killed when)
    {
        await StandAsync(when);
        var continued = false;

        await New().LiftAsync(Pod, "m1", note =>
        {
            continued = true;
            return Thaw(note);
        });

        var fenced = when is Killed.WhenTheFenceStood or Killed.WhenTheMarkStood or Killed.WhenTheProcessesWentOn;
        continued.Should().Be(fenced, "what a dump may have stopped goes on");
        New().Find(Pod).Should().BeNull();
        Code(() => New().Fence(Pod, "m1", "Close")).Should().Be(StatusCode.FailedPrecondition);
        New().Fence(Pod, "m2", "Close").Holder.Should().Be("m2");
    }

    [Test]
    public async Task Whenever_the_agent_is_killed_a_fence_whose_end_has_begun_is_never_dumped_under(
        [Values] Killed when)
    {
        await StandAsync(when);

        if (when is Killed.WhenTheMarkStood or Killed.WhenTheProcessesWentOn)
        {
            Code(() => New().FindForDump(Pod, "m1")).Should().Be(StatusCode.FailedPrecondition);
        }
        else
        {
            (New().Find(Pod) is not null).Should().Be(when == Killed.WhenTheFenceStood);
            if (when == Killed.WhenTheFenceStood)
            {
                New().FindForDump(Pod, "m1")!.Holder.Should().Be("m1");
                Code(() => New().FindForDump(Pod, ""))
                    .Should().Be(StatusCode.Unavailable, "it may be dumped when the migration has ended");
                Code(() => New().FindForDump(Pod, "m2")).Should().Be(StatusCode.FailedPrecondition);
            }
        }
    }

    [Test]
    public async Task A_mark_is_kept_for_as_long_as_the_pod_is_there()
    {
        await New().LiftAsync(Pod, "m1", Thaw);
        New().Sweep(Set()).Should().Be(0, "the runtime may not know the pod yet");
        _time.Advance(TimeSpan.FromDays(30));
        New().Sweep(Set(Pod)).Should().Be(0);
        Code(() => New().Fence(Pod, "m1", "Close")).Should().Be(StatusCode.FailedPrecondition);

        New().Sweep(Set("another")).Should().Be(1);

        Directory.GetFiles(Fences, "*", SearchOption.AllDirectories).Should().BeEmpty();
    }

    [Test]
    public async Task A_mark_is_as_old_as_the_end_of_its_fence()
    {
        New().Fence(Pod, "m1", "Close");
        _time.Advance(TimeSpan.FromHours(2));

        await New().LiftAsync(Pod, "m1", Thaw);

        New().Sweep(Set()).Should().Be(0, "a late call may still come");
        Code(() => New().Fence(Pod, "m1", "Close")).Should().Be(StatusCode.FailedPrecondition);
    }

    [Test]
    public async Task What_stands_half_is_kept_for_whoever_ends_it_and_a_half_written_fence_goes()
    {
        await StandAsync(Killed.WhenTheMarkStood);
        File.WriteAllText(Path.Combine(Fences, "gone.partial"), "");
        _time.Advance(TimeSpan.FromDays(30));

        New().Sweep(Set()).Should().Be(0, "a fence stands, and its end has begun");

        Files().Should().Equal(Pod);
        Code(() => New().FindForDump(Pod, "m1")).Should().Be(StatusCode.FailedPrecondition);
    }

    [Test]
    public void A_fence_of_a_pod_that_nobody_has_known_for_an_hour_is_forgotten()
    {
        // Of a node that was given up as lost, and has come back: no operator asks it to lift anything.
        var book = New();
        book.Fence(Pod, "m1", "Close");
        book.Sweep(Set()).Should().Be(0, "the runtime may not know the pod yet");
        _time.Advance(TimeSpan.FromMinutes(59));
        book.Sweep(Set()).Should().Be(0);
        // A file's own time is the kernel's, which is some milliseconds behind.
        _time.Advance(TimeSpan.FromMinutes(2));

        book.Sweep(Set()).Should().Be(2, "with the mark that was made beside it");

        Files().Should().BeEmpty();
        book.OldestAge().Should().Be(TimeSpan.Zero);
    }

    [TestCase(true)]
    [TestCase(false)]
    public void A_fence_stays_for_as_long_as_the_runtime_or_kubelet_knows_the_pod(bool runtime)
    {
        var book = New();
        book.Fence(Pod, "m1", "Close");
        book.Sweep(Set());
        _time.Advance(TimeSpan.FromMinutes(50));
        // After a boot no sandbox is left, and kubelet makes the pod anew as soon as it can.
        var folder = Directory.CreateDirectory(Path.Combine(_root, "pods", runtime ? "another" : Pod));
        book.Sweep(runtime ? Set(Pod) : Set());
        folder.Delete();
        _time.Advance(TimeSpan.FromMinutes(50));

        book.Sweep(Set()).Should().Be(0, "it has been gone for less than an hour");

        Files().Should().Equal(Pod);
    }

    [TestCase("", "m")]
    [TestCase("../x", "m")]
    [TestCase("a.b", "m")]
    [TestCase("a", "")]
    [TestCase("a", "../m")]
    [TestCase("A", "m")]
    [TestCase("-a", "m")]
    [TestCase("a", "M")]
    public async Task A_fence_for_no_uid_is_refused(string uid, string holder)
    {
        Code(() => New().Fence(uid, holder, "Close")).Should().Be(StatusCode.InvalidArgument);
        await FluentActions.Awaiting(() => New().LiftAsync(uid, holder, Thaw)).Should()
            .ThrowAsync<RpcException>().Where(e => e.StatusCode == StatusCode.InvalidArgument);
    }

    /// <summary>Leaves the disk as an agent does that is killed there, with what the very operations write.</summary>
    private async Task StandAsync(Killed when)
    {
        New().Fence(Pod, "m1", "Close");
        switch (when)
        {
            case Killed.BeforeTheFenceWasRenamed:
                File.Move(Path.Combine(Fences, Pod), Path.Combine(Fences, Pod + ".partial"));
                break;
            case Killed.WhenTheMarkStood:
                await FluentActions.Awaiting(() => New().LiftAsync(Pod, "m1", _ => throw new IOException("killed")))
                    .Should().ThrowAsync<IOException>();
                break;
            case Killed.WhenTheProcessesWentOn:
                var fence = File.ReadAllBytes(Path.Combine(Fences, Pod));
                await New().LiftAsync(Pod, "m1", Thaw);
                File.WriteAllBytes(Path.Combine(Fences, Pod), fence);
                break;
            case Killed.WhenTheFenceWasGone:
                await New().LiftAsync(Pod, "m1", Thaw);
                break;
        }
    }

    private FenceBook New() =>
        new(Options.Create(new AgentOptions { StateRoot = _root, KubeletPods = Path.Combine(_root, "pods") }), _time);

    private IEnumerable<string?> Files() => Directory.GetFiles(Fences).Select(Path.GetFileName);

    private static HashSet<string> Set(params string[] pods) => [.. pods];

    private static StatusCode Code(Action act) => act.Should().Throw<RpcException>().Which.StatusCode;
}
