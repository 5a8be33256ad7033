using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Metrics;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Agent.Restores;

/// <summary>Reads what the restore handler reports.</summary>
internal sealed class RestoreWatch(IOptions<AgentOptions> options, TimeProvider time)
{
    /// <summary>The containers of which it outlives a power failure that they ran.</summary>
    private readonly PerPodFlags _durable = new();

    /// <summary>How far the handler has come; waits for the end of it up to the caller's time.</summary>
    public async Task<IReadOnlyList<ContainerRestore>> WatchAsync(
        GetRestoreRequest request, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        var wait = TimeSpan.FromMilliseconds(Math.Min(request.WaitMilliseconds, 60_000));
        var pod = PodRestoreFolder.Of(options.Value, request.PodUid);
        while (true)
        {
            var states = request.ContainerNames.Select(c => Look(pod.Of(c))).ToList();
            // One that waits, or is beyond that, has a target that stands; restored they have to be all of them.
            if (states.Any(s => s.Phase == RestorePhases.Failed
                || (request.Until == RestorePhases.Waiting && HasCome(s, RestorePhases.Waiting)))
                || states.All(s => HasCome(
                    s, request.Until == RestorePhases.Restored ? RestorePhases.Restored : RestorePhases.Running))
                || time.GetElapsedTime(began) >= wait)
            {
                OperationMeter.Seen(request.PodUid, states, container => pod.Of(container).RestoredAt);
                return states;
            }

            // Markers are renamed into place by a shell script: a short look is simpler than a watch on folders that
            // may not exist yet, and as quick as the operator can use it.
            await Task.Delay(TimeSpan.FromMilliseconds(10), time, cancellationToken);
        }
    }

    /// <summary>Forgets pods that have left this node.</summary>
    /// <param name="pods">Uids of the pods that the runtime has.</param>
    public void Forget(IReadOnlySet<string> pods) => _durable.Forget(pods);

    /// <summary>Nobody hears that it runs before that is durable. Its processes wait for none of this.</summary>
    private ContainerRestore Look(ContainerRestoreFolder folder)
    {
        var state = folder.State();
        if (state.Phase == RestorePhases.Running && !_durable.Has(folder.Pod.PodUid, folder.Name))
        {
            folder.MakeDurable();
            _durable.Add(folder.Pod.PodUid, folder.Name);
        }

        return state;
    }

    private static bool HasCome(ContainerRestore state, string phase) => RestorePhases.HasCome(state.Phase, phase);
}
