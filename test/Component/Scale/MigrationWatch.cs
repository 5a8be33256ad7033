using System.Collections.Concurrent;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Component.Scale;

/// <summary>Follows every change of every migration, and counts how many are under way after each.</summary>
internal sealed class MigrationWatch(IKubernetes client) : IAsyncDisposable
{
    private readonly CancellationTokenSource _ending = new();
    private readonly Dictionary<string, PodMigration> _underWay = [];
    private readonly Lock _lock = new();
    private readonly List<(Func<bool> Holds, TaskCompletionSource Reached)> _waits = [];
    private Task _watch = Task.CompletedTask;

    /// <summary>Each migration as last seen, by name.</summary>
    public ConcurrentDictionary<string, PodMigration> Seen { get; } = new();

    /// <summary>The most that were under way at once: in the cluster, away from one node, to one node.</summary>
    public (int Cluster, int Outbound, int Inbound) Peak { get; private set; }

    /// <summary>In what order they were let begin.</summary>
    public List<string> Began { get; } = [];

    public HashSet<string> Waited { get; } = [];

    public int Ended => Seen.Values.Count(m => m.Status?.CompletionTime is not null);

    public async Task StartAsync()
    {
        var list = await client.ListAsync<PodMigration>(new ListOptions(), CancellationToken.None);
        _watch = WatchAsync(list.Metadata.ResourceVersion);
    }

    /// <summary>Ends when something is so.</summary>
    public Task UntilAsync(Func<bool> holds, TimeSpan patience)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (holds())
            {
                return Task.CompletedTask;
            }

            _waits.Add((holds, reached));
        }

        return reached.Task.WaitAsync(patience);
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await _watch.ContinueWith(_ => { }, TaskScheduler.Default);
        _ending.Dispose();
    }

    private async Task WatchAsync(string? version)
    {
        // Without a gap: a watch that ends goes on behind the last change that was seen.
        while (true)
        {
            await foreach (var (type, migration) in client.WatchAsync<PodMigration>(
                new ListOptions { ResourceVersion = version }, _ending.Token))
            {
                version = migration.Metadata.ResourceVersion;
                if (type != WatchEventType.Bookmark)
                {
                    See(migration, type == WatchEventType.Deleted);
                }
            }
        }
    }

    private void See(PodMigration migration, bool gone)
    {
        lock (_lock)
        {
            var name = migration.Metadata.Name!;
            if (gone)
            {
                Seen.TryRemove(name, out _);
            }
            else
            {
                Seen[name] = migration;
            }

            var status = migration.Status;
            var validated = status?.Conditions.Find(ConditionTypes.Validated);
            if (validated is { Status: "Unknown", Reason: Reasons.WaitingForSlot }
                && status!.Phase == MigrationPhases.Pending)
            {
                Waited.Add(name);
            }

            if (!gone && validated?.Status == "True" && status!.CompletionTime is null)
            {
                if (_underWay.TryAdd(name, migration))
                {
                    Began.Add(name);
                }

                Peak = (
                    Math.Max(Peak.Cluster, _underWay.Count),
                    Math.Max(Peak.Outbound, _underWay.Values.CountBy(m => m.Status!.SourceNode!).Max(n => n.Value)),
                    Math.Max(Peak.Inbound, _underWay.Values.CountBy(m => m.Status!.TargetNode!).Max(n => n.Value)));
            }
            else
            {
                _underWay.Remove(name);
            }

            foreach (var wait in _waits.Where(w => w.Holds()).ToList())
            {
                _waits.Remove(wait);
                wait.Reached.TrySetResult();
            }
        }
    }
}
