using System.Collections.Concurrent;

namespace PodCheckpointing.Agent;

/// <summary>Remembers things of pods: of those that are on this node, and, while they are few, of those that have left,
/// for an operator may still ask.</summary>
internal sealed class PerPodFlags
{
    /// <summary>From here on those that have left are forgotten.</summary>
    internal const int MaxTracked = 1000;

    private readonly ConcurrentDictionary<(string PodUid, string What), bool> _known = new();

    /// <summary>Remembers something; false where it is known.</summary>
    public bool Add(string podUid, string what) => _known.TryAdd((podUid, what), true);

    public bool Has(string podUid, string what) => _known.ContainsKey((podUid, what));

    /// <summary>Forgets what is of other pods than these, which the runtime has.</summary>
    public void Forget(IReadOnlySet<string> pods)
    {
        foreach (var key in _known.Count < MaxTracked ? [] : _known.Keys.Where(k => !pods.Contains(k.PodUid)))
        {
            _known.TryRemove(key, out _);
        }
    }
}
