using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>Calls that outlive the run that began them.</summary>
public sealed class PendingCallsTests
{
    private readonly PendingCalls _calls = new(new MigrationWorld.Inline(), new SoleLeader(), CancellationToken.None);

    [Test]
    public void An_answer_that_comes_when_it_was_forgotten_is_not_kept()
    {
        var answer = new TaskCompletionSource<SealResponse>();
        _calls.Ask("a/seal", _ => answer.Task, () => { }).Should().BeNull();

        _calls.Forget("a/");
        _calls.IsUnderWay("a/seal").Should().BeTrue();
        answer.SetResult(new SealResponse());

        _calls.Known<SealResponse>("a/seal").Should().BeNull("it would be there as long as the operator lives");
    }

    [Test]
    public void A_call_that_ends_with_the_operator_has_not_failed()
    {
        using var stopping = new CancellationTokenSource();
        var calls = new PendingCalls(new MigrationWorld.Inline(), new SoleLeader(), stopping.Token);
        var answer = new TaskCompletionSource<SealResponse>();
        calls.Ask("a/seal", _ => answer.Task, () => { });

        stopping.Cancel();
        answer.SetCanceled(stopping.Token);

        calls.Ask("a/seal", _ => answer.Task, () => { }).Should().BeNull();
    }

    [Test]
    public void An_answer_that_is_there_is_forgotten_at_once_and_others_are_kept()
    {
        _calls.Ask("a/seal", _ => Task.FromResult(new SealResponse()), () => { });
        _calls.Ask("b/seal", _ => Task.FromResult(new SealResponse()), () => { });

        _calls.Forget("a/");

        _calls.Known<SealResponse>("a/seal").Should().BeNull();
        _calls.Known<SealResponse>("b/seal").Should().NotBeNull();
    }
}
