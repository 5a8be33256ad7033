using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Metrics;
using PodCheckpointing.Api.Protos;
using static PodCheckpointing.Agent.Restores.RestoreFolder;

namespace PodCheckpointing.Agent.Restores;

/// <summary>Reads what the restore handler reports.</summary>
internal sealed class RestoreWatch(IOptions<AgentOptions> options)
{
    /// <summary>As they come one after the other.</summary>
    private static readonly string[] Phases = ["Absent", "Staging", "Waiting", "Staged", "Restoring", "Restored", "Running"];

    /// <summary>The containers' folders of which it outlives a power failure that they ran.</summary>
    private readonly ConcurrentDictionary<string, bool> _durable = new();

    /// <summary>How far the handler has come; waits for the end of it up to the caller's time.</summary>
    public async Task<IReadOnlyList<ContainerRestore>> WatchAsync(GetRestoreRequest request, CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();
        var wait = TimeSpan.FromMilliseconds(Math.Min(request.WaitMilliseconds, 60_000));
        while (true)
        {
            var states = request.ContainerNames.Select(c => Look(Of(options, request.PodUid, c), c)).ToList();
            // One that waits, or is beyond that, has a target that stands; restored they have to be all of them.
            if (states.Any(s => s.Phase == "Failed" || (request.Until == "Waiting" && HasCome(s, "Waiting")))
                || states.All(s => HasCome(s, request.Until == "Restored" ? "Restored" : "Running"))
                || Stopwatch.GetElapsedTime(began) >= wait)
            {
                OperationMeter.Seen(request.PodUid, states, container => RestoredAt(Of(options, request.PodUid, container)));
                return states;
            }

            // Markers are renamed into place by a shell script: a short look is simpler than a watch on folders that
            // may not exist yet, and as quick as the operator can use it.
            await Task.Delay(TimeSpan.FromMilliseconds(10), cancellationToken);
        }
    }

    /// <summary>Nobody hears that it runs before that is durable. Its processes wait for none of this.</summary>
    private ContainerRestore Look(string folder, string container)
    {
        var state = StateOf(folder, container);
        if (state.Phase == "Running" && !_durable.ContainsKey(folder))
        {
            MakeDurable(folder);
            _durable[folder] = true;
        }

        return state;
    }

    private static bool HasCome(ContainerRestore state, string phase) => Array.IndexOf(Phases, state.Phase) >= Array.IndexOf(Phases, phase);
}
