using System.ComponentModel.DataAnnotations;

namespace PodCheckpointing.Agent.Images;

/// <summary>How images are made and brought elsewhere; section "Agent:Images" of the configuration.</summary>
internal sealed class ImageOptions
{
    /// <summary>A docker config.json with the registries' credentials; read anew for every call. Empty: none.</summary>
    public string AuthFile { get; set; } = "";

    /// <summary>Registries, host[:port], that may be spoken to in plain HTTP beside those on this machine.</summary>
    public IList<string> InsecureRegistries { get; } = [];

    /// <summary>PEM of an authority that signs registries' certificates, beside those that the system trusts.</summary>
    public string RegistryCa { get; set; } = "";

    /// <summary>How often a registry that fails is asked again.</summary>
    [Range(0, 100)]
    public int Retries { get; set; } = 5;

    /// <summary>How long the first wait before that is; it doubles every time.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long one request may take; a piece of a layer must go up within it.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Bytes of a layer in one request: what a broken connection costs at most.</summary>
    [Range(1, 1 << 30)]
    public int PieceSize { get; set; } = 64 << 20;

    /// <summary>What is written before the commands below and the restore handler's, so that they run among the node's
    /// files: nsenter with its arguments, where the agent is in a container.</summary>
    public IList<string> NodeCommand { get; } = [];

    /// <summary>containerd's client.</summary>
    public string Ctr { get; set; } = "ctr";

    /// <summary>The tool that fills CRI-O's image store.</summary>
    public string Skopeo { get; set; } = "skopeo";

    /// <summary>Which store of containers/storage, as "[driver@root+runroot]"; empty is the node's own.</summary>
    public string ContainersStorage { get; set; } = "";
}
