using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Globalization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Runtime;

/// <summary>An informer's copy of all objects of a kind, by name and by its indexes; each change is told under its
/// lock, one after the other.</summary>
/// <param name="changed">Is told an object that came, changed or went; the second one is its version before, if there
/// was one, the third one is null when it went.</param>
internal sealed class ObjectStore<T>(Action<T, T?, T?> changed)
    where T : class, IKubernetesObject<V1ObjectMeta>
{
    private readonly ConcurrentDictionary<ObjectKey, T> _objects = new();
    private readonly Dictionary<ObjectIndex<T>, ConcurrentDictionary<string, ImmutableArray<T>>> _indexes = [];
    private readonly Lock _lock = new();
    private Func<T, T> _transform = item => item;
    private ulong _latest;

    public ICollection<T> All => _objects.Values;

    public void SetTransform(Func<T, T> transform) => _transform = transform;

    public void AddIndex(ObjectIndex<T> index) =>
        _indexes[index] = new ConcurrentDictionary<string, ImmutableArray<T>>();

    public IReadOnlyList<T> ByIndex(ObjectIndex<T> index, string value) =>
        _indexes[index].TryGetValue(value, out var found) ? found : [];

    public T? Find(ObjectKey key) => _objects.GetValueOrDefault(key);

    /// <summary>One page of a list, whose version is that of its beginning.</summary>
    public void AddPage(IEnumerable<T> items, string? version)
    {
        lock (_lock)
        {
            if (VersionOf(version) < _latest)
            {
                // The server has been put back to an earlier state: whatever was newer has never been.
                _latest = 0;
            }

            foreach (var item in items)
            {
                Put(item);
            }
        }
    }

    /// <summary>The end of a list: what was not in it has gone while nobody watched,
    /// but not what has come since.</summary>
    public void EndList(HashSet<ObjectKey> listed, string? version)
    {
        lock (_lock)
        {
            // Put back to an earlier state, or at the first time, there is nothing that could be newer.
            var asOf = _latest == 0 ? 0 : VersionOf(version);
            _latest = VersionOf(version);
            foreach (var key in _objects.Keys.Where(k => !listed.Contains(k)).ToList())
            {
                Remove(key, asOf);
            }
        }
    }

    /// <summary>An event of the watch.</summary>
    public void ApplyEvent(WatchEventType type, T item)
    {
        lock (_lock)
        {
            _latest = VersionOf(item.Metadata.ResourceVersion);
            if (type == WatchEventType.Deleted)
            {
                Remove(ObjectKey.Of(item), _latest);
            }
            else if (type != WatchEventType.Bookmark)
            {
                Put(item);
            }
        }
    }

    /// <summary>What the server has answered to a write.</summary>
    /// <remarks>A watch tells in the order of the versions. What is not newer than the last one that it has told is
    /// here already, or was and has gone.</remarks>
    public void RecordWrite(T item)
    {
        lock (_lock)
        {
            if (_latest > 0 && VersionOf(item.Metadata.ResourceVersion) > _latest)
            {
                Put(item);
            }
            else if (_objects.TryGetValue(ObjectKey.Of(item), out var old) && HasLost(item, old))
            {
                // Gone with its last finalizer, at which its version stays as it was.
                Replace(ObjectKey.Of(item), item, old);
            }
        }
    }

    private void Put(T item)
    {
        var key = ObjectKey.Of(item);
        _objects.TryGetValue(key, out var old);
        if (old is not null && (old.Metadata.ResourceVersion == item.Metadata.ResourceVersion
            || (_latest > 0 && IsNewer(old, VersionOf(item.Metadata.ResourceVersion)))))
        {
            return;
        }

        Replace(key, item, old);
    }

    private void Replace(ObjectKey key, T item, T? old)
    {
        var kept = _transform(item);
        _objects[key] = kept;
        Reindex(old, kept);
        changed(item, old, kept);
    }

    private static bool HasLost(T item, T old) =>
        old.Metadata.Uid == item.Metadata.Uid && old.Metadata.ResourceVersion == item.Metadata.ResourceVersion
        && item.Metadata is { DeletionTimestamp: not null, Finalizers: null or { Count: 0 } }
        && old.Metadata.Finalizers is { Count: > 0 };

    private void Remove(ObjectKey key, ulong asOf)
    {
        if (_objects.TryGetValue(key, out var old) && !IsNewer(old, asOf))
        {
            _objects.TryRemove(key, out _);
            Reindex(old, null);
            changed(old, old, null);
        }
    }

    private static bool IsNewer(T item, ulong version) =>
        version > 0 && VersionOf(item.Metadata.ResourceVersion) > version;

    /// <summary>Versions are numbers that grow; 0 for one that is none, of which nothing is concluded.</summary>
    private static ulong VersionOf(string? version) =>
        ulong.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;

    private void Reindex(T? old, T? item)
    {
        foreach (var (index, found) in _indexes)
        {
            var (before, after) = (old is null ? null : index.ValueOf(old), item is null ? null : index.ValueOf(item));
            if (before is not null && found.TryGetValue(before, out var all))
            {
                all = all.Remove(old!, ReferenceEqualityComparer.Instance);
                if (all.Length > 0 || before == after)
                {
                    found[before] = before == after ? all.Add(item!) : all;
                }
                else
                {
                    found.TryRemove(before, out _);
                }
            }

            if (after is not null && before != after)
            {
                found[after] = found.TryGetValue(after, out var others) ? others.Add(item!) : [item!];
            }
        }
    }
}
