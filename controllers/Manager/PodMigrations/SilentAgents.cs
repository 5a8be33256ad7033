using System.Collections.Concurrent;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Agents that did not answer a migration that looks for a target.</summary>
/// <remarks>Of one life of the operator: the next one asks again.</remarks>
internal sealed class SilentAgents
{
    /// <summary>How often an agent is asked before another node is looked at instead: one that is
    /// being restarted answers soon.</summary>
    public const int MostTries = 3;

    private readonly ConcurrentDictionary<(string Migration, string Node), (int Tries, AgentException Last)> _failures
        = new();

    /// <summary>Records another call that brought no answer.</summary>
    /// <param name="migration">The uid of the migration.</param>
    /// <param name="node">The node.</param>
    /// <param name="failure">What came instead of an answer.</param>
    /// <param name="atOnce">Whether it is not asked again before others are.</param>
    public void Note(string migration, string node, AgentException failure, bool atOnce) =>
        _failures.AddOrUpdate(
            (migration, node),
            _ => (atOnce ? MostTries : 1, failure),
            (_, old) => (atOnce ? Math.Max(MostTries, old.Tries + 1) : old.Tries + 1, failure));

    /// <summary>Those of some nodes that are to be asked: those that may answer, and where there are none, those that
    /// have been asked the least.</summary>
    public IReadOnlyList<string> ToAsk(string migration, IReadOnlyList<string> nodes)
    {
        var left = nodes.Where(node => TriesOf(migration, node) < MostTries).ToList();
        return left.Count > 0 || nodes.Count == 0
            ? left
            : [.. nodes.GroupBy(node => TriesOf(migration, node)).MinBy(tries => tries.Key)!];
    }

    /// <summary>Those that were given up for another node, by the nodes' names.</summary>
    public IReadOnlyList<SilentAgent> Of(string migration) =>
        [
            .. _failures.Where(f => f.Key.Migration == migration && f.Value.Tries >= MostTries)
                .OrderBy(f => f.Key.Node, StringComparer.Ordinal)
                .Select(f => new SilentAgent(
                    f.Key.Node, Why(f.Key.Node, f.Value.Last), MayAnswer: !f.Value.Last.IsTerminal)),
        ];

    /// <summary>The migration has found its target, or has ended.</summary>
    public void Forget(string migration)
    {
        foreach (var key in _failures.Keys.Where(key => key.Migration == migration))
        {
            _failures.TryRemove(key, out _);
        }
    }

    private static Obstacle Why(string node, AgentException failure) => new(
        failure.Reason,
        failure.Reason == Reasons.AgentFailed
            ? failure.Message
            : $"the agent of node {node} does not answer: {failure.Message}");

    private int TriesOf(string migration, string node) =>
        _failures.TryGetValue((migration, node), out var failure) ? failure.Tries : 0;
}

/// <summary>An agent that was given up for another node.</summary>
/// <param name="Node">Its node.</param>
/// <param name="Why">What came instead of its last answer.</param>
/// <param name="MayAnswer">Whether it may yet answer when it is asked again.</param>
internal sealed record SilentAgent(string Node, Obstacle Why, bool MayAnswer);
