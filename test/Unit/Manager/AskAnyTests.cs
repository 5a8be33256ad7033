using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>What any agent can do: which of them are asked.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class AskAnyTests : IAgentDirectory, ILeadership
{
    private readonly Anybody _agent = new();
    private int _asked;
    private int _leadsFor = int.MaxValue;

    ICheckpointAgent? IAgentDirectory.Find(string nodeName) => _agent;

    IEnumerable<ICheckpointAgent> IAgentDirectory.Ready() => [_agent, _agent, _agent, _agent];

    [TestCase(Reasons.StoreUnavailable)]
    [TestCase(Reasons.AgentUnavailable)]
    [TestCase(Reasons.AgentFailed)]
    public async Task Another_one_is_asked_where_one_cannot_reach_the_volume_or_be_reached(string reason) =>
        (await AskAsync(reason, null)).Should().Be("answer 2");

    [TestCase(Reasons.ArtifactMissing)]
    [TestCase(Reasons.CheckpointInProgress)]
    public async Task An_answer_is_everybodys(string reason)
    {
        var asked = await FluentActions.Awaiting(() => AskAsync(reason, null)).Should().ThrowAsync<AgentException>();

        asked.Which.Message.Should().Be("answer 1");
    }

    [Test]
    public async Task A_volume_that_three_nodes_cannot_reach_is_asked_for_no_more()
    {
        const string No = Reasons.StoreUnavailable;

        var asked = await FluentActions.Awaiting(() => AskAsync(No, No, No, null))
            .Should().ThrowAsync<AgentException>();

        asked.Which.Message.Should().Be("answer 3");
    }

    [TestCase(Reasons.AgentUnavailable, Reasons.StoreUnavailable, Reasons.AgentUnavailable, "answer 2")]
    [TestCase(Reasons.AgentUnavailable, Reasons.AgentUnavailable, Reasons.AgentUnavailable, "answer 1")]
    public async Task Where_none_can_the_one_is_heard_that_says_most(
        string first, string second, string third, string heard)
    {
        var asked = await FluentActions.Awaiting(() => AskAsync(first, second, third, Reasons.AgentUnavailable))
            .Should().ThrowAsync<AgentException>();

        asked.Which.Message.Should().Be(heard);
    }

    [Test]
    public async Task Who_does_not_lead_any_more_asks_no_other()
    {
        _leadsFor = 2;

        await FluentActions.Awaiting(() => AskAsync(Reasons.AgentUnavailable, Reasons.AgentUnavailable, null))
            .Should().ThrowAsync<OperationCanceledException>();

        _asked.Should().Be(2);
    }

    Task ILeadership.Acquired => Task.CompletedTask;

    CancellationToken ILeadership.Lost => CancellationToken.None;

    bool ILeadership.Leads => _asked < _leadsFor;

    private Task<string> AskAsync(params string?[] failures) => this.AskAnyAsync(first: null, this, _ =>
    {
        var answer = $"answer {++_asked}";
        return failures[_asked - 1] is { } reason
            ? throw new AgentException(reason, answer, isTerminal: false)
            : Task.FromResult(answer);
    });

    private sealed class Anybody() : UnaskedAgent("a");
}
