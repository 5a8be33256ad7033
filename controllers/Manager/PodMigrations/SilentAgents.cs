using System.Collections.Concurrent;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Agents that did not answer a migration that looks for a target.</summary>
/// <remarks>Of one life of the operator: the next one asks again.</remarks>
internal sealed class SilentAgents
{
    /// <summary>How often an agent is asked before another node is looked at instead: one that is being restarted answers soon.</summary>
    public const int MostTries = 3;

    private readonly ConcurrentDictionary<(string Migration, string Node), (int Tries, string Message)> _failures = new();

    /// <summary>It has not answered once more.</summary>
    /// <param name="migration">The uid of the migration.</param>
    /// <param name="node">The node.</param>
    /// <param name="failure">What came instead of an answer.</param>
    /// <param name="atOnce">Whether it is not asked again before others are.</param>
    public void Note(string migration, string node, AgentException failure, bool atOnce) =>
        _failures.AddOrUpdate(
            (migration, node), _ => (atOnce ? MostTries : 1, Tell(node, failure)), (_, old) => (atOnce ? Math.Max(MostTries, old.Tries + 1) : old.Tries + 1, Tell(node, failure)));

    /// <summary>Those of some nodes that are to be asked: those that may answer, and where there are none, those that have been
    /// asked the least.</summary>
    public IReadOnlyList<string> ToAsk(string migration, IReadOnlyList<string> nodes)
    {
        var left = nodes.Where(node => TriesOf(migration, node) < MostTries).ToList();
        return left.Count > 0 || nodes.Count == 0 ? left : [.. nodes.GroupBy(node => TriesOf(migration, node)).MinBy(tries => tries.Key)!];
    }

    /// <summary>Those that were given up for another node, and what is to be said of each.</summary>
    public IReadOnlyList<(string Node, string Message)> Of(string migration) =>
        [
            .. _failures.Where(f => f.Key.Migration == migration && f.Value.Tries >= MostTries).OrderBy(f => f.Key.Node, StringComparer.Ordinal)
                .Select(f => (f.Key.Node, f.Value.Message)),
        ];

    /// <summary>The migration has found its target, or has ended.</summary>
    public void Forget(string migration)
    {
        foreach (var key in _failures.Keys.Where(key => key.Migration == migration))
        {
            _failures.TryRemove(key, out _);
        }
    }

    private static string Tell(string node, AgentException failure) =>
        failure.Reason == Reasons.AgentFailed ? failure.Message : $"the agent of node {node} does not answer: {failure.Message}";

    private int TriesOf(string migration, string node) => _failures.TryGetValue((migration, node), out var failure) ? failure.Tries : 0;
}
