using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Which nodes may be the target, and what the agents of both nodes say against it, before anything is touched.</summary>
/// <remarks>Asks only.</remarks>
internal sealed class NodeInquiry(ICluster cluster, NodeCapabilities capabilities, SilentAgents silentAgents)
{
    /// <summary>The nodes that may be the target, the best one first: but for those of which it is known that they cannot,
    /// and those whose agents are silent while others may answer; unless the user has named it.</summary>
    public IReadOnlyList<string> Candidates(MigrationScope scope, V1Pod pod) => scope.Migration.Spec.TargetNode is { } wanted
        ? [wanted]
        : silentAgents.ToAsk(scope.Uid, Able(scope, pod));

    /// <summary>What stands against each node that could be the target, when all of them have been asked; nothing as long as one
    /// is left.</summary>
    public List<Obstacle> WhyNoneIsLeft(MigrationScope scope, V1Pod pod) =>
        scope.Migration.Spec.TargetNode is null && Able(scope, pod).Count == 0 ? WhyNot(scope, pod) : [];

    /// <summary>Adds what the nodes lack, and what of the pod only its node shows; false while their agents are being asked, or
    /// when another node may be asked in this one's place.</summary>
    public bool Ask(MigrationScope scope, V1Pod pod, string target, List<Obstacle> found, bool dry)
    {
        if (AskOne(() => capabilities.OfSource(scope, pod, pod.Spec.NodeName!), found, dry) is not { } here
            || AskTarget(scope, pod, target, here, found, dry) is not { } there)
        {
            return false;
        }

        found.AddRange(here.NodeName.Length == 0 ? [] : NodeObstacles.OfSource(pod, scope.TcpPolicy, here));
        var source = here.NodeName.Length == 0 ? null : here;
        var lacking = there.NodeName.Length == 0 ? [] : NodeObstacles.OfTarget(pod, source, there).ToList();
        if (lacking.Count > 0 && scope.Migration.Spec.TargetNode is null)
        {
            lacking = WhyNoneIsLeft(scope, pod);
            if (lacking.Count == 0)
            {
                scope.Wake();
                return false;
            }
        }

        found.AddRange(lacking);
        return true;
    }

    private List<string> Able(MigrationScope scope, V1Pod pod) =>
        [.. TargetNodes.For(pod, scope.Claims, cluster).Where(node => KnownObstacles(scope, pod, node).Count == 0)];

    /// <summary>What the agents' answers so far show against a node; the answers are kept for as long as the migration is under
    /// way.</summary>
    private List<Obstacle> KnownObstacles(MigrationScope scope, V1Pod pod, string target) =>
        capabilities.KnownOfSource(scope, pod.Spec.NodeName!) is { } here
        && capabilities.KnownOfTarget(scope, target) is { } there
            ? [.. NodeObstacles.OfTarget(pod, here, there)]
            : [];

    private List<Obstacle> WhyNot(MigrationScope scope, V1Pod pod) =>
        [
            .. TargetNodes.For(pod, scope.Claims, cluster).Select(node => KnownObstacles(scope, pod, node))
                .Where(obstacles => obstacles.Count > 0).Take(TargetNodes.MostTold).SelectMany(obstacles => obstacles),
        ];

    /// <summary>The answer of a node that could be the target, as <see cref="AskOne"/> has it. Where nobody has named the node, one
    /// whose agent does not answer is passed over for the next one, and asked again only when no other is left.</summary>
    private GetCapabilitiesResponse? AskTarget(
        MigrationScope scope, V1Pod pod, string target, GetCapabilitiesResponse here, List<Obstacle> found, bool dry)
    {
        if (scope.Migration.Spec.TargetNode is not null || found.Count > 0)
        {
            return AskOne(() => capabilities.OfTarget(scope, pod, target, here), found, dry);
        }

        try
        {
            return capabilities.OfTarget(scope, pod, target, here);
        }
        catch (AgentException exception)
        {
            silentAgents.Note(scope.Uid, target, exception, atOnce: dry || exception.IsTerminal);
            var silent = silentAgents.Of(scope.Uid);
            if (silent.All(s => s.Node != target))
            {
                throw;
            }

            if (Able(scope, pod).Except(silent.Select(s => s.Node)).Any())
            {
                scope.Wake();
                return null;
            }

            // None is left: of those that cannot, and of those that do not answer, it is told together.
            var all = WhyNot(scope, pod).Concat(silent.Select(s => new Obstacle(exception.Reason, s.Message))).ToList();
            if (!dry && !exception.IsTerminal)
            {
                throw new AgentException(exception.Reason, Obstacle.Tell(all), isTerminal: false, exception);
            }

            found.AddRange(all);
            return new GetCapabilitiesResponse();
        }
    }

    /// <summary>A node's answer: one without a name where its agent fails and that is told with the rest; null while it is
    /// being asked.</summary>
    private static GetCapabilitiesResponse? AskOne(
        Func<GetCapabilitiesResponse?> ask, List<Obstacle> found, bool dry)
    {
        try
        {
            return ask();
        }
        catch (AgentException exception) when (dry || found.Count > 0)
        {
            // An agent that may come back is waited for only where nothing else stands in the way.
            found.Add(new(exception.Reason, exception.Message));
            return new GetCapabilitiesResponse();
        }
    }
}
