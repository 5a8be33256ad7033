using Grpc.Core;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.Agents;

/// <summary>What an agent refused or failed to do.</summary>
internal sealed class AgentException(string reason, string message, bool isTerminal, Exception? inner = null)
    : Exception(message, inner)
{
    /// <summary>A CamelCase word for a condition's reason.</summary>
    public string Reason { get; } = reason;

    /// <summary>True when the same call would fail the same way again.</summary>
    public bool IsTerminal { get; } = isTerminal;

    /// <summary>How a call to a node's agent ended.</summary>
    public static AgentException Of(string node, RpcException failure)
    {
        var reason = AgentReasons.Of(failure);
        // What has no word of its own says little, and no node: whose log to look at.
        var message = reason == Reasons.AgentFailed
            ? $"the agent of node {node} failed: {failure.Message}"
            : failure.Status.Detail;
        return new AgentException(reason, message, !AgentReasons.IsTransient(failure), failure);
    }
}
