using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using PodCheckpointing.Manager.Nodes;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Manager.Retention;

namespace PodCheckpointing.Manager;

/// <summary>What the operator is told; section "Operator" of the configuration.</summary>
internal sealed class OperatorOptions
{
    public const string Section = "Operator";

    /// <summary>A kubeconfig file; absent in a pod.</summary>
    public string? Kubeconfig { get; set; }

    /// <summary>The operator's certificate towards the agents.</summary>
    [Required]
    public string TlsCertificate { get; set; } = "";

    /// <summary>The key of that certificate.</summary>
    [Required]
    public string TlsKey { get; set; } = "";

    /// <summary>The authority of the agents' certificates.</summary>
    [Required]
    public string TlsCa { get; set; } = "";

    /// <summary>Plain HTTP for /healthz, /readyz and /metrics.</summary>
    [Range(1, 65535)]
    public int HealthPort { get; set; } = 8081;

    /// <summary>Whether the operator shares its work with others by a Lease.</summary>
    public bool LeaderElection { get; set; } = true;

    /// <summary>Where the Lease is; absent: the namespace of the operator's own credentials.</summary>
    public string? LeaseNamespace { get; set; }

    /// <summary>How long another operator waits for a silent leader.</summary>
    [Range(1.5, 600)]
    public double LeaseDurationSeconds { get; set; } = 15;

    /// <summary>How long a deleted content waits for an agent that can remove its bytes,
    /// before it goes without them.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "36500.00:00:00")]
    public TimeSpan BytesPatience { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Which checkpoints are removed by themselves.</summary>
    [ValidateObjectMembers]
    public RetentionOptions Retention { get; set; } = new();

    /// <summary>How many migrations may be under way at once.</summary>
    [ValidateObjectMembers]
    public MigrationOptions Migrations { get; set; } = new();

    /// <summary>How nodes are asked what they can do.</summary>
    [ValidateObjectMembers]
    public NodeOptions Nodes { get; set; } = new();

    /// <summary>Where agents answer on their nodes.</summary>
    [Range(1, 65535)]
    public int AgentPort { get; set; } = 50051;

    /// <summary>Objects of one kind that are worked on at a time, besides those of migrations that may be under way:
    /// none of these waits for another one's writes. All wait for the API server most of the time.</summary>
    [Range(1, 100)]
    public int Workers { get; set; } = 10;
}
