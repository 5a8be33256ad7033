using System.Diagnostics;
using FluentAssertions;
using Grpc.Core;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;
using PodCheckpointing.Unit.Runtime;
using PodCheckpointing.Unit.Storage;

namespace PodCheckpointing.Unit.Agent;

/// <summary>A volume that hangs: who opens a pipe that nobody writes waits in the kernel, as on a
/// mount whose server is away.</summary>
public sealed class StoreInventoryTests : StoreFolder
{
    private readonly HandTime _time = new();
    private StoreCalls _calls = null!;
    private StoreInventory _inventory = null!;
    private string[] _pipes = null!;

    [SetUp]
    public void Begin()
    {
        _calls = new StoreCalls(_time);
        _inventory = new StoreInventory(Store, _calls, Options.Create(new AgentOptions { StoreRoot = Root }), _time);
        // What seals a checkpoint, and what tells of one of its containers.
        _pipes = [Path.Combine(
            Root, Pod, Id, ".checkpoint-complete"), Path.Combine(Root, Pod, Id, "c", "manifest.json")];
        Directory.CreateDirectory(Path.GetDirectoryName(_pipes[1])!);
        using var made = Process.Start("mkfifo", _pipes);
        made.WaitForExit();
    }

    [TearDown]
    public void End()
    {
        // Lets those go that wait there; one that has come to the second pipe by then has it open, too.
        foreach (var pipe in _pipes)
        {
            File.Open(pipe, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite).Dispose();
        }

        _calls.Dispose();
    }

    [Test]
    public Task A_question_is_answered_though_the_volume_hangs() => ExpectAsync(
        () => _inventory.VerifyAsync(
            new VerifyCheckpointRequest { ArtifactUri = ArtifactUri.ForPod(Pod, Id).ToString(), ManifestsOnly = true },
            CancellationToken.None),
        StoreCalls.Question);

    [Test]
    public Task A_list_ends_though_the_volume_hangs() =>
        ExpectAsync(() => _inventory.ListAsync(CancellationToken.None).ToListAsync().AsTask(), StoreCalls.Removal);

    [Test]
    public async Task So_many_wait_for_a_volume_that_hangs_and_no_more([Values] bool removals)
    {
        var (limit, most) = removals ? (StoreCalls.Removal, 4) : (StoreCalls.Question, 8);
        var opened = new TaskCompletionSource();
        var asked = Enumerable.Range(0, most + 1).Select(_ => removals
            ? _calls.WorkAsync(() => opened.Task.Wait(-1), CancellationToken.None)
            : _calls.AskAsync(() => opened.Task.Wait(-1), CancellationToken.None)).ToList();

        _time.Advance(limit);

        foreach (var one in asked)
        {
            await FluentActions.Awaiting(() => one).Should().ThrowAsync<TimeoutException>();
        }

        (await FluentActions.Awaiting(() => asked[most]).Should().ThrowAsync<TimeoutException>()).Which.Message
            .Should().Be("it does not answer");
        opened.SetResult();
    }

    [Test]
    public async Task Removals_that_take_their_time_keep_nobody_from_asking()
    {
        var opened = new TaskCompletionSource();
        var removals = Enumerable.Range(0, 12)
            .Select(_ => _calls.WorkAsync(() => opened.Task.Wait(-1), CancellationToken.None))
            .ToList();
        try
        {
            var asked = _calls.AskAsync(() => "an answer", CancellationToken.None);

            (await asked.WaitAsync(TimeSpan.FromMinutes(2))).Should().Be("an answer");
        }
        finally
        {
            opened.SetResult();
        }

        await Task.WhenAll(removals);
    }

    [Test]
    public async Task What_somebody_writes_or_removes_is_not_told_as_a_volume_that_refuses()
    {
        using var other = StoreLock.Take(Root, $"{Pod}/{Id}", exclusive: false);

        var refusal =
            (await FluentActions
                .Awaiting(() => _inventory.RemoveAsync(Pod, Id, container: null, CancellationToken.None))
                .Should().ThrowAsync<RpcException>()).Which;

        (refusal.StatusCode, AgentReasons.Of(refusal))
            .Should().Be((StatusCode.Unavailable, Reasons.CheckpointInProgress), "no other agent is to be asked");
    }

    [Test]
    public async Task A_removal_that_takes_its_time_is_told_as_one_that_goes_on([Values] bool hasBegun)
    {
        using var ended = new ManualResetEventSlim();
        var begun = new TaskCompletionSource();
        var asked = _calls.RemoveAsync(
            tell =>
            {
                if (hasBegun)
                {
                    tell();
                }

                begun.SetResult();
                return ended.Wait(-1);
            },
            CancellationToken.None);
        await begun.Task;

        _time.Advance(StoreCalls.Removal);

        var failure = (await FluentActions.Awaiting(() => asked).Should().ThrowAsync<Exception>()).Which;
        ended.Set();
        failure.Should().BeOfType(hasBegun
            ? typeof(StoreInUseException)
            : typeof(TimeoutException), "only a volume that does not answer one node may answer another");
    }

    private async Task ExpectAsync(Func<Task> ask, TimeSpan limit)
    {
        var asked = Task.Run(ask);
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        while (!asked.IsCompleted)
        {
            patience.Token.ThrowIfCancellationRequested();
            _time.Advance(limit);
            await Task.Yield();
        }

        var refusal = (await FluentActions.Awaiting(() => asked).Should().ThrowAsync<RpcException>()).Which;

        (refusal.StatusCode, AgentReasons.Of(refusal)).Should().Be((StatusCode.Unavailable, Reasons.StoreUnavailable));
        refusal.Status.Detail
            .Should().StartWith($"cannot access the checkpoint volume at {Root} of node ").And.Contain(
                "it has not answered for");
    }
}
