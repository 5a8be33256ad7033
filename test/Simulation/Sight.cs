using k8s;
using k8s.Models;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Simulation;

/// <summary>One informer of an operator: the real copy of a kind's objects, whose watch
/// tells when the seed wants it.</summary>
internal abstract class Sight
{
    /// <summary>Whether the watch has something to tell.</summary>
    public abstract bool IsBehind { get; }

    /// <summary>Takes the next event of the watch.</summary>
    public abstract void See();

    /// <summary>The server tells a change.</summary>
    public abstract void Enqueue(IKubernetesObject<V1ObjectMeta> item, bool gone);
}

/// <inheritdoc/>
internal sealed class Sight<T> : Sight
    where T : class, IKubernetesObject<V1ObjectMeta>
{
    private readonly Queue<(WatchEventType Type, T Item)> _events = [];
    private readonly ObjectStore<T> _store;

    public Sight(SimulatedServer server, Action<IKubernetesObject<V1ObjectMeta>> tell)
    {
        _store = new ObjectStore<T>((item, old, kept) =>
        {
            if (kept is not null && old is not null && old.Metadata.Uid != item.Metadata.Uid)
            {
                tell(old);
            }

            tell(item);
        });
        if (this is Sight<Api.V1.PodMigration> { _store: var migrations })
        {
            migrations.SetTransform(EndedMigrations.Strip);
        }

        var all = server.All<T>().ToList();
        _store.AddPage(all, server.Version);
        _store.EndList([.. all.Select(item => ObjectKey.Of(item))], server.Version);
    }

    public override bool IsBehind => _events.Count > 0;

    /// <summary>What is there, in an order that does not follow from the process.</summary>
    public IEnumerable<T> All => _store.All.OrderBy(item => item.Metadata.NamespaceProperty, StringComparer.Ordinal)
        .ThenBy(item => item.Metadata.Name, StringComparer.Ordinal);

    public T? Find(ObjectKey key) => _store.Find(key);

    public void Learn(T written) => _store.RecordWrite(written);

    public override void See()
    {
        var (type, item) = _events.Dequeue();
        _store.ApplyEvent(type, item);
    }

    public override void Enqueue(IKubernetesObject<V1ObjectMeta> item, bool gone) =>
        _events.Enqueue((gone ? WatchEventType.Deleted : WatchEventType.Modified, (T)item));
}
