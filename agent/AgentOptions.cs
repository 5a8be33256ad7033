using System.ComponentModel.DataAnnotations;
using System.Net;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Images;

namespace PodCheckpointing.Agent;

/// <summary>What the agent is told; section "Agent" of the configuration.</summary>
internal sealed class AgentOptions : IValidatableObject
{
    public const string Section = "Agent";

    /// <summary>The node that it runs on.</summary>
    [Required]
    public string NodeName { get; set; } = "";

    /// <summary>Where the shared volume is mounted.</summary>
    public string StoreRoot { get; set; } = "/mnt/checkpoints";

    /// <summary>Fences and staged restores; on the node's own disk, so that they outlive the agent.</summary>
    public string StateRoot { get; set; } = "/var/lib/pod-checkpointing";

    /// <summary>Where kubelet answers on the node.</summary>
    [Required]
    public string KubeletUrl { get; set; } = "https://127.0.0.1:10250";

    /// <summary>The name in kubelet's certificate, where it is not the node's: {node} stands for that, as in
    /// {node}.example. It must be there, unless there is one node only.</summary>
    [RegularExpression(@"[A-Za-z0-9.:-]*(\{node\}[A-Za-z0-9.:-]*)?", ErrorMessage =
        "Agent:KubeletName is a DNS name or an address, in which {{node}} stands for the node's name, as in "
            + "{{node}}.example")]
    public string? KubeletName { get; set; }

    /// <summary>The name that kubelet's certificate must bear on this node.</summary>
    public string ExpectedKubeletName => KubeletName?.Replace("{node}", NodeName, StringComparison.Ordinal) ?? NodeName;

    /// <summary>Files with the authority of kubelet's certificate, with colons between them: any one of them may be it,
    /// and not every one has to exist.</summary>
    [Required]
    public string KubeletCa { get; set; } = "";

    /// <summary>The agent's certificate towards kubelet, in place of a token.</summary>
    public string? KubeletClientCertificate { get; set; }

    /// <summary>The key of that certificate.</summary>
    public string? KubeletClientKey { get; set; }

    /// <summary>A token that somebody renews, instead of a certificate.</summary>
    public string? KubeletTokenFile { get; set; }

    /// <summary>Where kubelet puts its checkpoints.</summary>
    public string KubeletDirectory { get; set; } = "/var/lib/kubelet/checkpoints";

    /// <summary>From how many bytes of pages on a migrated container runs before all of them are in, where the kernel
    /// has userfaultfd; less than 0: never.</summary>
    public long LazyRestoreBytes { get; set; } = 64 * 1024 * 1024;

    /// <summary>Where kubelet has the pods' volumes.</summary>
    public string KubeletPods { get; set; } = "/var/lib/kubelet/pods";

    /// <summary>The runtime's CRIU options on this node.</summary>
    public string CriuConfig { get; set; } = "/etc/criu/crun.conf";

    /// <summary>The node's root folder, for what of it is on no volume of the agent's.</summary>
    public string NodeRoot { get; set; } = "/proc/1/root";

    /// <summary>The runtime's CRI socket.</summary>
    public string RuntimeEndpoint { get; set; } = "unix:///run/containerd/containerd.sock";

    /// <summary>The agent's certificate towards the operator.</summary>
    [Required]
    public string TlsCertificate { get; set; } = "";

    /// <summary>The key of that certificate.</summary>
    [Required]
    public string TlsKey { get; set; } = "";

    /// <summary>The authority of the operator's certificate.</summary>
    [Required]
    public string TlsClientCa { get; set; } = "";

    /// <summary>The node's address on which it answers the operator and tells /metrics; not set, or 0.0.0.0: every one.
    /// As installed it is the InternalIP, which the operator calls; where that is no address of an interface (NAT),
    /// 0.0.0.0 is needed.</summary>
    public string? ListenAddress { get; set; }

    /// <summary>Where it answers the operator.</summary>
    [Range(1, 65535)]
    public int Port { get; set; } = 50051;

    /// <summary>Plain HTTP on loopback for /healthz and /readyz.</summary>
    [Range(1, 65535)]
    public int HealthPort { get; set; } = 50052;

    /// <summary>Plain HTTP for /metrics; 0 for none.</summary>
    [Range(0, 65535)]
    public int MetricsPort { get; set; } = 50053;

    /// <summary>Where the restore handler stands.</summary>
    public string RestoreHandler { get; set; } = "/usr/libexec/pod-checkpointing/checkpoint-restore";

    /// <summary>Where the fence hook stands.</summary>
    public string FenceHook { get; set; } = "/usr/libexec/pod-checkpointing/checkpoint-fence";

    /// <summary>How images of checkpoints are made.</summary>
    [ValidateObjectMembers]
    public ImageOptions Images { get; set; } = new();

    /// <summary>The fences of this node's pods.</summary>
    public string FencesFolder => Path.Combine(StateRoot, "fences");

    /// <summary>What the fence hook leaves when the runtime runs it.</summary>
    public string HookStamp => Path.Combine(StateRoot, "fence-hook-ran");

    /// <summary>A link for the fence hook, to the runtime's socket.</summary>
    public string RuntimeSocketLink => Path.Combine(StateRoot, "runtime-socket");

    /// <summary>The file of the runtime's CRI socket.</summary>
    public string RuntimeSocket => RuntimeEndpoint.Replace("unix://", "", StringComparison.Ordinal);

    /// <summary>What is restored here, a folder for each pod.</summary>
    public string RestoresFolder => Path.Combine(StateRoot, "restores");

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (!string.IsNullOrEmpty(ListenAddress) && !IPAddress.TryParse(ListenAddress, out _))
        {
            yield return new ValidationResult(
                $"Agent:ListenAddress is an IP address of the node, as 10.0.0.11, and not {ListenAddress}; without it: "
                    + "every address");
        }
    }
}
