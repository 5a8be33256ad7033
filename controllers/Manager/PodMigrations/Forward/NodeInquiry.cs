using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Which nodes may be the target, and what the agents of both nodes say against it,
/// before anything is touched.</summary>
/// <remarks>Asks only.</remarks>
internal sealed class NodeInquiry(ICluster cluster, NodeCapabilities capabilities, SilentAgents silentAgents)
{
    /// <summary>The nodes that may be the target, the best one first: but for those of which it is known that they
    /// cannot, and those whose agents are silent while others may answer; unless the user has named it.</summary>
    public IReadOnlyList<string> Candidates(MigrationScope scope, V1Pod pod) =>
        scope.Migration.Spec.TargetNode is { } wanted
            ? [wanted]
            : silentAgents.ToAsk(scope.Uid, Able(scope, pod));

    /// <summary>What stands against each node that could be the target, when all of them have been asked; nothing as
    /// long as one is left.</summary>
    public List<Obstacle> WhyNoneIsLeft(MigrationScope scope, V1Pod pod) =>
        scope.Migration.Spec.TargetNode is null && Able(scope, pod).Count == 0 ? WhyNot(scope, pod) : [];

    /// <summary>Adds what the nodes lack, and what of the pod only its node shows; false while their agents are being
    /// asked, or when another node may be asked in this one's place.</summary>
    public bool Ask(MigrationScope scope, V1Pod pod, string target, List<Obstacle> found, bool dry)
    {
        var toldAll = dry || found.Count > 0;
        if (AskOne(() => capabilities.OfSource(scope, pod, pod.Spec.NodeName!), toldAll) is not { } here)
        {
            return false;
        }

        found.AddRange(here.WhyNone);
        if (here.Capabilities is null && scope.Migration.Spec.TargetNode is null)
        {
            // Which node would do shows only beside the pod's own.
            return true;
        }

        if (AskTarget(scope, pod, target, here.Capabilities, found.Count > 0, dry) is not { } there)
        {
            return false;
        }

        found.AddRange(there.WhyNone);
        if (here.Capabilities is { } source)
        {
            found.AddRange(NodeObstacles.OfSource(pod, scope.TcpPolicy, source));
        }

        var lacking = there.Capabilities is { } answer
            ? NodeObstacles.OfTarget(pod, here.Capabilities, answer).ToList()
            : [];
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

    /// <summary>What the agents' answers so far show against a node; the answers are kept for as long as the migration
    /// is under way.</summary>
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

    /// <summary>The answer of a node that could be the target, as <see cref="AskOne"/> has it. Where nobody has named
    /// the node, one whose agent does not answer is passed over for the next one, and asked again
    /// only when no other is left.</summary>
    private NodeAnswer? AskTarget(
        MigrationScope scope, V1Pod pod, string target, GetCapabilitiesResponse? here, bool isRefused, bool dry)
    {
        GetCapabilitiesResponse? Ask() => capabilities.OfTarget(scope, pod, target, here);
        if (scope.Migration.Spec.TargetNode is not null || isRefused)
        {
            return AskOne(Ask, dry || isRefused);
        }

        try
        {
            return NodeAnswer.Of(Ask());
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
            List<Obstacle> all = [.. WhyNot(scope, pod), .. silent.Select(s => s.Why)];
            return dry || silent.FirstOrDefault(s => s.MayAnswer) is not { } awaited
                ? new NodeAnswer(null, all)
                : throw new AgentException(awaited.Why.Reason, Obstacle.Tell(all), isTerminal: false, exception);
        }
    }

    /// <summary>A node's answer; null while it is being asked.</summary>
    /// <param name="ask">Asks it.</param>
    /// <param name="toldAll">Whether that its agent fails is told with the rest: one that may come back is waited for
    /// only where nothing else stands in the way.</param>
    private static NodeAnswer? AskOne(Func<GetCapabilitiesResponse?> ask, bool toldAll)
    {
        try
        {
            return NodeAnswer.Of(ask());
        }
        catch (AgentException exception) when (toldAll)
        {
            return new NodeAnswer(null, [new(exception.Reason, exception.Message)]);
        }
    }

    /// <summary>What came of asking a node.</summary>
    /// <param name="Capabilities">What its agent says; null where it gave no answer.</param>
    /// <param name="WhyNone">Why it gave none.</param>
    private sealed record NodeAnswer(GetCapabilitiesResponse? Capabilities, IReadOnlyList<Obstacle> WhyNone)
    {
        public static NodeAnswer? Of(GetCapabilitiesResponse? capabilities) =>
            capabilities is null ? null : new NodeAnswer(capabilities, []);
    }
}
