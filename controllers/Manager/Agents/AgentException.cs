namespace PodCheckpointing.Manager.Agents;

/// <summary>What an agent refused or failed to do.</summary>
internal sealed class AgentException(string reason, string message, bool isTerminal, Exception? inner = null)
    : Exception(message, inner)
{
    /// <summary>A CamelCase word for a condition's reason.</summary>
    public string Reason { get; } = reason;

    /// <summary>True when the same call would fail the same way again.</summary>
    public bool IsTerminal { get; } = isTerminal;
}
