using System.Collections.Concurrent;
using k8s.Models;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.TestControllers;

/// <summary>What a ReplicaSet has done and not yet seen: until it has, it does nothing
/// more, lest it do it twice.</summary>
internal sealed class Expectations(TimeProvider time)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);
    private readonly ConcurrentDictionary<ObjectKey, (
        DateTimeOffset Since, ConcurrentDictionary<string, bool> Uids)> _open = new();

    /// <summary>Whether all that was done has been seen, or will never be.</summary>
    public bool AreMet(ObjectKey set) =>
        !_open.TryGetValue(set, out var open) || open.Uids.IsEmpty || time.GetUtcNow() - open.Since > Limit;

    public void Begin(ObjectKey set) => _open[set] = (time.GetUtcNow(), new());

    /// <summary>The pod will be seen: there when it was made, going when it was deleted.</summary>
    public void Add(ObjectKey set, string uid, bool made) => _open[set].Uids[uid] = made;

    public void Forget(ObjectKey set) => _open.TryRemove(set, out _);

    /// <summary>Takes down what an informer tells of a pod.</summary>
    /// <param name="pod">As it was told.</param>
    /// <param name="gone">It is no longer there.</param>
    public void Saw(V1Pod pod, bool gone)
    {
        foreach (var (_, uids) in _open.Values)
        {
            if (uids.TryGetValue(pod.Metadata.Uid!, out var made)
                && (made || gone || pod.Metadata.DeletionTimestamp is not null))
            {
                uids.TryRemove(pod.Metadata.Uid!, out _);
            }
        }
    }
}
