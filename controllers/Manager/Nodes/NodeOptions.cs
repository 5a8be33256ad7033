using System.ComponentModel.DataAnnotations;

namespace PodCheckpointing.Manager.Nodes;

/// <summary>How nodes are asked what they can do; section "Operator:Nodes" of the configuration.</summary>
internal sealed class NodeOptions
{
    /// <summary>From one question to a node's agent to the next; what is told of the
    /// node may be as old as that.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan Interval { get; set; } = TimeSpan.FromMinutes(1);
}
