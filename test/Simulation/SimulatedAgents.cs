using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Simulation;

/// <summary>The agents of all nodes.</summary>
internal sealed class SimulatedAgents(
    Caller caller, World world, Operations operations, TimeProvider time) : IAgentDirectory
{
    public ICheckpointAgent? Find(string nodeName) =>
        world.Nodes.TryGetValue(nodeName, out var node)
            && !node.IsForgotten ? new SimulatedAgent(caller, world, node, operations, time) : null;

    public IEnumerable<ICheckpointAgent> Ready() =>
        world.Nodes.Values.Where(n => n is { IsUp: true, KubeletLives: true, IsForgotten: false })
            .Select(n => new SimulatedAgent(caller, world, n, operations, time));
}
