using FluentAssertions;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;
using PodCheckpointing.TestKit;
using PodCheckpointing.Unit.Runtime;
using PodCheckpointing.Unit.Storage;

namespace PodCheckpointing.Unit.Agent;

/// <summary>What is staged while it is still being written counts only when it is what was sealed.</summary>
public sealed class AheadStagingTests : StoreFolder
{
    private const string Target = "0b0f9a3e-52f1-4a6e-8d8c-3f5a0e0b7f11";
    private RestoreStaging _staging = null!;
    private AheadStaging _ahead = null!;

    private string Folder => Path.Combine(Out, "restores", Target, "c");

    private string Ahead => Path.Combine(Folder, ".ahead");

    private string Artifact => Path.Combine(Root, Pod, Id, "c", "dump.tar.zst");

    [SetUp]
    public void Make_the_agent()
    {
        _ahead = StagingParts.Ahead(Store, Out);
        _staging = StagingParts.Staging(Store, Out, _ahead);
    }

    [TearDown]
    public Task End() => _ahead.GiveUpAsync(new ContainerRestoreFolder(Folder).Pod);

    [Test]
    public async Task What_was_extracted_while_it_was_written_is_what_is_staged()
    {
        _staging.Begin(Request());
        await StoreAsync();
        await Wait.UntilAsync(() => File.Exists(Path.Combine(Ahead, "checkpoint", "inventory.img")));
        var made = TestCalls.Stat(Path.Combine(Ahead, "checkpoint", "inventory.img")).Inode;

        await PrepareAsync();

        TestCalls.Stat(Path.Combine(Folder, "checkpoint", "inventory.img")).Inode.Should().Be(made);
        File.Exists(Path.Combine(Folder, "staged")).Should().BeTrue();
        Directory.Exists(Ahead).Should().BeFalse();
    }

    [Test]
    public async Task What_is_not_what_was_sealed_is_thrown_away_and_staged_anew()
    {
        await StoreAsync(seal: false, other: true);
        _staging.Begin(Request());
        await Wait.UntilAsync(() => File.Exists(Path.Combine(Ahead, "checkpoint", "inventory.img")));
        Store.Delete(Pod, Id, null);
        await StoreAsync();

        await PrepareAsync();

        File.Exists(Path.Combine(Folder, "checkpoint", "inventory.img")).Should().BeTrue();
        Directory.Exists(Ahead).Should().BeFalse();
    }

    [Test]
    public async Task An_attempt_that_has_failed_is_not_in_the_way_of_others()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Artifact)!);
        await File.WriteAllBytesAsync(Artifact + ".partial", new byte[100]);
        _staging.Begin(Request("shop"));

        // Nobody asks for it, nor cancels it.
        await Wait.UntilAsync(() => !_ahead.Has(new ContainerRestoreFolder(Folder)) && !Directory.Exists(Ahead));
    }

    [Test]
    public async Task Whoever_gives_up_what_is_given_up_already_waits_until_nothing_of_it_is_left()
    {
        using var clock = new HeldClock();
        var (time, log) = (new HandTime(), new ReasonLog());
        var folder = new ContainerRestoreFolder(Folder);
        var ahead = new AheadStaging(
            new CheckpointStore(Root, clock), Options.Create(new AgentOptions { StateRoot = Out }), time, log);
        ahead.Begin(folder, ArtifactUri.ForContainer(Pod, Id, "c"));
        await clock.Looked.WaitAsync(Wait.Patience);
        time.Advance(TimeSpan.FromMinutes(30));
        await log.Written.WaitAsync(Wait.Patience);

        var again = ahead.GiveUpAsync(folder.Pod);
        var (ended, free) = (again.IsCompleted, !ahead.Has(folder));
        clock.Dispose();
        await again;

        ended.Should().BeFalse("it still looks for what to extract");
        free.Should().BeFalse("the next attempt's folder would go with it");
        Directory.Exists(Ahead).Should().BeFalse();
        ahead.Has(folder).Should().BeFalse();
    }

    [Test]
    public async Task What_an_agent_before_this_one_left_is_removed()
    {
        Directory.CreateDirectory(Ahead);
        await StoreAsync();
        await PrepareAsync();
        Directory.Exists(Ahead).Should().BeFalse();
    }

    [Test]
    public async Task A_cancelled_restore_leaves_nothing_and_begins_no_more()
    {
        _staging.Begin(Request());
        await Wait.UntilAsync(() => Directory.Exists(Ahead));

        await StagingParts.Release(Store, Out, _ahead).CancelAsync(
            Target, "not wanted", unlessRun: false, CancellationToken.None);
        _staging.Begin(Request());

        _ahead.Has(new ContainerRestoreFolder(Folder)).Should().BeFalse();
        Directory.Exists(Ahead).Should().BeFalse();
    }

    [Test]
    public async Task What_is_staged_before_it_is_sealed_runs_only_when_it_is_confirmed()
    {
        _staging.Begin(Request("shop"));
        await StoreAsync(seal: false);
        await Wait.UntilAsync(() => File.Exists(Path.Combine(Folder, "staged")));
        var release = StagingParts.Release(Store, Out, _ahead);
        await Refused(release.ReleaseAsync(Target, CancellationToken.None));
        // As if another container of the pod had been prepared.
        await File.WriteAllTextAsync(Path.Combine(Folder, "../members"), "c\n");
        (await Refused(release.ReleaseAsync(Target, CancellationToken.None)))
            .Should().Contain("container c").And.Contain("not confirmed as sealed");
        File.Exists(Path.Combine(Folder, "../go")).Should().BeFalse();

        Store.Seal(Pod, Id, ["c"]);
        await PrepareAsync();
        await release.ReleaseAsync(Target, CancellationToken.None);

        File.Exists(Path.Combine(Folder, "../go")).Should().BeTrue();
    }

    [Test]
    public async Task What_was_dumped_again_after_it_had_been_staged_never_runs()
    {
        _staging.Begin(Request("shop"));
        await StoreAsync(seal: false);
        await Wait.UntilAsync(() => File.Exists(Path.Combine(Folder, "staged")));
        Store.Delete(Pod, Id, null);
        await StoreAsync(seal: true, other: true);

        (await Refused(PrepareAsync())).Should().Contain("dumped again");

        (await Refused(StagingParts.Release(Store, Out, _ahead).ReleaseAsync(Target, CancellationToken.None)))
            .Should().NotBeEmpty();
    }

    [Test]
    public async Task What_belongs_to_another_namespace_is_not_staged_ahead()
    {
        var time = new HandTime();
        _staging = StagingParts.Staging(Store, Out, _ahead, time);
        _staging.Begin(Request("thief"));
        time.Callbacks.Should().ContainSingle("it looks again");
        await StoreAsync(seal: false);
        time.Advance(TimeSpan.FromSeconds(1));
        time.Callbacks.Should().BeEmpty("it has seen whose it is");
        // The attempt is extracted whole, and taken by who may have it.
        Store.Seal(Pod, Id, ["c"]);

        (await PrepareAsync()).Should().BePositive("it was staged now, and not before");

        File.Exists(Path.Combine(Folder, "unconfirmed")).Should().BeFalse();
        File.Exists(Path.Combine(Folder, "staged")).Should().BeTrue();
    }

    [TestCase("shared://elsewhere")]
    [TestCase("/etc/passwd")]
    public void Only_an_artifact_can_be_staged(string uri)
    {
        var request = Request();
        request.ArtifactUri = uri;
        _staging.Invoking(s => s.Begin(request))
            .Should().Throw<RpcException>().Which.Status.Detail.Should().Contain(uri);
    }

    private static StageAheadRequest Request(string podNamespace = "") => new()
    {
        PodNamespace = podNamespace,
        PodUid = Target,
        ContainerName = "c",
        ArtifactUri = ArtifactUri.ForContainer(Pod, Id, "c").ToString(),
    };

    private static async Task<string> Refused(Task call) =>
        (await FluentActions.Awaiting(() => call).Should().ThrowAsync<RpcException>()).Which.Status.Detail;

    private async Task StoreAsync(bool seal = true, bool other = false)
    {
        var tar = await File.ReadAllBytesAsync(Fixtures.Path("crio-counter.tar"));
        if (other)
        {
            // A byte of a file's content, 512 behind its header.
            tar[tar.AsSpan().IndexOf("checkpoint/pages-1.img"u8) + 512]++;
        }

        await Store.WriteAsync(
            Pod, Id, "c", new MemoryStream(tar), new Origin { PodNamespace = "shop" }, new Progress<long>(),
            CancellationToken.None);
        if (seal)
        {
            Store.Seal(Pod, Id, ["c"]);
        }
    }

    private Task<long> PrepareAsync()
    {
        var request = Request();
        return _staging.PrepareAsync(
            new PrepareRestoreRequest
            {
                PodNamespace = "shop",
                PodName = "t",
                PodUid = Target,
                ContainerName = "c",
                ArtifactUri = request.ArtifactUri,
            },
            CancellationToken.None);
    }

    /// <summary>A clock that answers whoever looks at it a second time when the test has done with it.</summary>
    private sealed class HeldClock : TimeProvider, IDisposable
    {
        private readonly TaskCompletionSource _looked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _answers = new();
        private int _looks;

        public Task Looked => _looked.Task;

        public override long GetTimestamp()
        {
            if (Interlocked.Increment(ref _looks) > 1)
            {
                _looked.TrySetResult();
                _answers.Task.Wait();
            }

            return base.GetTimestamp();
        }

        public void Dispose() => _answers.TrySetResult();
    }

    /// <summary>Tells that something was logged.</summary>
    private sealed class ReasonLog : ILogger<AheadStaging>
    {
        private readonly TaskCompletionSource _written = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Written => _written.Task;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => _written.TrySetResult();
    }
}
