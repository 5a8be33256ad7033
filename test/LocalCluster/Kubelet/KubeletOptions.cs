using System.ComponentModel.DataAnnotations;

namespace PodCheckpointing.TestKubelet;

/// <summary>What the test kubelet is told.</summary>
internal sealed class KubeletOptions
{
    public const string Section = "Kubelet";

    [Required]
    public string NodeName { get; set; } = "";

    [Required]
    public string NodeIP { get; set; } = "";

    [Required]
    public string Kubeconfig { get; set; } = "";

    public string RuntimeEndpoint { get; set; } = "unix:///run/containerd/containerd.sock";

    public string RootDirectory { get; set; } = "/var/lib/kubelet";

    /// <summary>Where archives are left; made at the start where the feature is on, as the real
    /// one does (setupDataDirs).</summary>
    public string CheckpointsDirectory => Path.Combine(RootDirectory, "checkpoints");

    public string PodLogsDirectory { get; set; } = "/var/log/pods";

    /// <summary>The cgroup that all pods live below, for example /pc-a-node-1; or, where systemd makes them, its slice:
    /// kubepods.slice.</summary>
    [Required]
    public string CgroupParent { get; set; } = "";

    /// <summary>How many processes a pod may have, where systemd makes the cgroups; 0 for any number.</summary>
    public int PodPidsLimit { get; set; }

    [Required]
    public string TlsCertificate { get; set; } = "";

    [Required]
    public string TlsKey { get; set; } = "";

    /// <summary>The authority of client certificates.</summary>
    [Required]
    public string ClientCa { get; set; } = "";

    /// <summary>Who has the right to create nodes/checkpoint: common names of certificates.</summary>
    public string[] CheckpointUsers { get; set; } = [];

    /// <summary>Bearer tokens and whose they are, "token,user" each.</summary>
    public string[] Tokens { get; set; } = [];

    /// <summary>The feature gate ContainerCheckpoint.</summary>
    public bool ContainerCheckpoint { get; set; } = true;

    public int Port { get; set; } = 10250;
}
