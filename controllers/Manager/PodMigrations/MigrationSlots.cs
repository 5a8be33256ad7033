using System.Collections.Concurrent;
using k8s.Models;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Keeps the number of migrations that are under way within the limits, and says who is next.</summary>
/// <remarks>
/// A migration holds a slot from when it is granted, which is before its status says Validated, until it has ended:
/// what the informers have not seen yet counts. Another life of the operator begins with what the API server has: those
/// that are validated and not ended hold their slots, and those that waited wait on. The end of one wakes those that
/// may begin then, the oldest first. One that waits for a node lets younger ones past that need others; past its own
/// nodes only so often, then the next slots there are kept for it.
/// </remarks>
internal sealed class MigrationSlots(ICluster cluster, IOptions<OperatorOptions> options)
{
    /// <summary>How many younger ones may pass one that waits for both its nodes to have room at once.</summary>
    internal const int MostOvertakes = 10;

    private readonly MigrationOptions _limits = options.Value.Migrations;
    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<ObjectKey, Slot> _held = new();
    private readonly Dictionary<ObjectKey, Waiter> _waiters = [];
    private readonly SortedSet<Waiter> _line =
        new(Comparer<Waiter>.Create((a, b) => SlotRequest.ByAge.Compare(a.Request, b.Request)));
    private volatile bool _loaded;

    /// <summary>Asks for a slot; asking again changes nothing.</summary>
    public async Task<SlotAnswer> AskAsync(SlotRequest request, CancellationToken cancellationToken)
    {
        await LoadAsync(cancellationToken);
        lock (_lock)
        {
            if (_held.TryGetValue(request.Key, out var slot))
            {
                if (slot.Uid == request.Uid && request.Targets().Contains(slot.Target))
                {
                    return new SlotAnswer(slot.Target, null);
                }

                // A namesake's, or the chosen node is no target any more.
                _held.TryRemove(request.Key, out _);
            }

            Enqueue(request);
            var load = Advance(request.Key);
            return _held.TryGetValue(request.Key, out slot)
                ? new SlotAnswer(slot.Target, null)
                : new SlotAnswer(null, _waiters[request.Key].Tell(load, _limits));
        }
    }

    /// <summary>Whether a migration may begin, or has begun. Takes no lock: queues ask while they hold theirs, and whom
    /// a slot wakes is put into a queue while ours is held.</summary>
    public bool Holds(ObjectKey key) => _held.ContainsKey(key);

    /// <summary>Counts a migration that is under way, whoever let it begin.</summary>
    public void Keep(PodMigration migration)
    {
        lock (_lock)
        {
            Dequeue(ObjectKey.Of(migration));
            Hold(migration);
        }
    }

    /// <summary>The migration has ended, or does not wait any more: the next ones may begin.</summary>
    public void Release(ObjectKey key)
    {
        lock (_lock)
        {
            Dequeue(key);
            if (_held.TryRemove(key, out _))
            {
                Advance(asking: null);
            }
        }
    }

    private static bool IsUnderWay(PodMigration migration) =>
        migration.Status is { CompletionTime: null, Outcome: null } status
        && status.Conditions.IsTrue(ConditionTypes.Validated);

    /// <summary>Whether its status says that it waits for a slot.</summary>
    public static bool Waits(PodMigration migration) =>
        migration.Status is { CompletionTime: null } status
        && status.Conditions.Find(ConditionTypes.Validated)?.Reason == Reasons.WaitingForSlot;

    /// <summary>As the API server has it: the informer may be behind what another
    /// operator has just let begin.</summary>
    private async Task LoadAsync(CancellationToken cancellationToken)
    {
        if (_loaded)
        {
            return;
        }

        var all = await cluster.ListAsync<PodMigration>(cancellationToken);
        lock (_lock)
        {
            // The first answer counts, whichever worker has it.
            if (_loaded)
            {
                return;
            }

            foreach (var migration in all.Where(IsUnderWay))
            {
                Hold(migration);
            }

            foreach (var migration in all.Where(Waits))
            {
                // It has been queued by its informer like every other one: nobody needs to wake it.
                if (cluster.Find<V1Pod>(new ObjectKey(migration.Metadata.NamespaceProperty, migration.Spec.PodName))
                    is { Spec.NodeName: not null } pod)
                {
                    Enqueue(SlotRequest.Of(migration, pod, cluster, () => { }));
                }
            }

            _loaded = true;
            Advance(asking: null);
        }
    }

    private void Hold(PodMigration migration) =>
        _held[ObjectKey.Of(migration)] = new Slot(
            migration.Metadata.Uid!, migration.Status!.SourceNode!, migration.Status.TargetNode!);

    private void Enqueue(SlotRequest request)
    {
        if (_waiters.TryGetValue(request.Key, out var waiter) && waiter.Request.Uid == request.Uid)
        {
            waiter.Request = request;
            return;
        }

        Dequeue(request.Key);
        _waiters[request.Key] = waiter = new Waiter(request);
        _line.Add(waiter);
    }

    private void Dequeue(ObjectKey key)
    {
        if (_waiters.Remove(key, out var waiter))
        {
            _line.Remove(waiter);
        }
    }

    /// <summary>Lets begin who can, by age, and wakes those but the one who asks.</summary>
    private SlotLoad Advance(ObjectKey? asking)
    {
        var load = new SlotLoad(_limits, _held.Select(h => (h.Key.Namespace!, h.Value.Source, h.Value.Target)));
        var passed = new List<Waiter>();
        foreach (var waiter in _line.ToList())
        {
            var request = waiter.Request;
            var (target, obstacle) = load.Place(
                request.Key.Namespace!, request.Source, request.Wanted, request.Targets);
            waiter.Met = obstacle;
            if (target is null)
            {
                passed.Add(waiter);
                // What waits for its own namespace could not use what would be kept for it.
                if (waiter.Overtaken >= MostOvertakes && !waiter.AwaitsNamespace)
                {
                    load.Reserve(request.Source, request.Wanted);
                }

                continue;
            }

            _held[request.Key] = new Slot(request.Uid, request.Source, target);
            load.Take(request.Key.Namespace!, request.Source, target);
            Dequeue(request.Key);
            foreach (var older in passed.Where(
                o => !o.AwaitsNamespace && (o.Request.Source == request.Source || o.Request.Wanted == target)))
            {
                older.Overtaken++;
            }

            if (request.Key != asking)
            {
                request.Wake();
            }
        }

        foreach (var waiter in passed.Where(w => w.Request.Key != asking && !w.ToldTheTruth(load)))
        {
            waiter.Request.Wake();
        }

        return load;
    }

    private sealed record Slot(string Uid, string Source, string Target);

    private sealed class Waiter(SlotRequest request)
    {
        private SlotObstacle? _told;

        public SlotRequest Request { get; set; } = request;

        /// <summary>How many younger ones have taken a slot at one of its nodes.</summary>
        public int Overtaken { get; set; }

        /// <summary>What was in its way at the last pass.</summary>
        public SlotObstacle? Met { get; set; }

        /// <summary>Whether its namespace had all that it may have, at the last pass.</summary>
        public bool AwaitsNamespace => Met?.Limit == SlotLimit.Namespace;

        /// <summary>Whether what it was told is still so. It is told again only when not: other words for the same wait
        /// would be a write each.</summary>
        public bool ToldTheTruth(SlotLoad load) =>
            _told is not { } told
            || (told.Limit == SlotLimit.AnyTarget ? Met?.Limit == SlotLimit.AnyTarget : load.Stands(told));

        public string Tell(SlotLoad load, MigrationOptions limits)
        {
            _told = _told is not null && ToldTheTruth(load) ? _told : Met;
            return _told!.Value.Message(limits);
        }
    }
}
