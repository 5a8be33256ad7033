using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Agents;

/// <summary>Asks for what any agent can do, for all of them reach the shared volume.</summary>
internal static class AnyAgent
{
    /// <summary>After so many nodes that cannot reach the volume it is the volume, which takes its time on every node,
    /// and not a mount.</summary>
    private const int Mounts = 3;

    /// <summary>Asks agents of ready nodes, one after the other, until one answers.</summary>
    /// <param name="agents">The agents.</param>
    /// <param name="first">The node to ask first, where it is ready; null: any.</param>
    /// <param name="leadership">Looked at before each.</param>
    /// <param name="call">The question.</param>
    /// <exception cref="AgentException">An agent's answer; or none has answered.</exception>
    public static async Task<T> AskAnyAsync<T>(
        this IAgentDirectory agents, string? first, ILeadership leadership, Func<ICheckpointAgent, Task<T>> call)
    {
        AgentException? silent = null;
        var refusals = 0;
        foreach (var agent in agents.Ready().OrderByDescending(a => a.NodeName == first).ToList())
        {
            leadership.ThrowIfNotLeading();
            try
            {
                return await call(agent);
            }
            catch (AgentException exception) when (exception.Reason == Reasons.StoreUnavailable)
            {
                // What the volume says tells more than silence.
                silent = exception;
                if (++refusals == Mounts)
                {
                    throw;
                }
            }
            catch (AgentException exception) when (exception.Reason is Reasons.AgentUnavailable or Reasons.AgentFailed)
            {
                // A node may be ready and run no agent, or a broken one.
                silent ??= exception;
            }
        }

        throw silent
            ?? new AgentException(Reasons.AgentUnavailable, "no node with an agent is ready", isTerminal: false);
    }
}
