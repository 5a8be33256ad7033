using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>A migration's calls to the agents: each is begun once under its name, and the migration is looked at again
/// when it has ended.</summary>
internal sealed class AgentCalls(IAgentDirectory agents, PendingCalls calls, WorkQueue queue)
{
    /// <summary>After how long an agent is asked again for what comes without a word of its own.</summary>
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(300);

    /// <summary>The answer of a node's agent; null while it is being asked.</summary>
    /// <exception cref="AgentException">It fails, or there is none.</exception>
    public T? Ask<T>(
        MigrationScope scope, string call, string node, Func<ICheckpointAgent, CancellationToken, Task<T>> body)
        where T : class
    {
        var agent = agents.Require(node);
        return calls.Ask(KeyOf(scope, call), t => body(agent, t), scope.Wake);
    }

    /// <summary>The agent's wait has ended before what was waited for: it is asked again at once.</summary>
    /// <returns>False: nothing may follow yet.</returns>
    public bool AskAgain(MigrationScope scope, string call)
    {
        calls.Forget(KeyOf(scope, call));
        scope.Wake();
        return false;
    }

    /// <summary>The answer is not the one that is waited for: it is asked again after a moment.</summary>
    public void AskLater(MigrationScope scope, string call)
    {
        calls.Forget(KeyOf(scope, call));
        queue.AddAfter(ObjectKey.Of(scope.Migration), Again);
    }

    /// <summary>An answer that is there; asks nobody.</summary>
    public T? Known<T>(MigrationScope scope, string call)
        where T : class => calls.Known<T>(KeyOf(scope, call));

    public bool IsUnderWay(MigrationScope scope, string call) => calls.IsUnderWay(KeyOf(scope, call));

    /// <summary>The migration has ended.</summary>
    public void Forget(string migration) => calls.Forget(KeyOf(migration, ""));

    private static string KeyOf(MigrationScope scope, string call) => KeyOf(scope.Uid, call);

    private static string KeyOf(string migration, string call) => $"pmig/{migration}/{call}";
}
