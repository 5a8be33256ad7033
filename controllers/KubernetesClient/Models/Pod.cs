using System.Text.Json;
using System.Text.Json.Serialization;

namespace k8s.Models;

/// <summary>A pod.</summary>
[KubernetesEntity(Kind = "Pod", PluralName = "pods")]
public sealed record V1Pod : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = "v1";

    /// <inheritdoc/>
    public string Kind { get; init; } = "Pod";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>spec is what is wanted.</summary>
    public V1PodSpec Spec { get; init; } = new();

    /// <summary>status is what kubelet observed.</summary>
    public V1PodStatus? Status { get; init; }
}

/// <summary>What a pod runs. Fields that are not modelled are kept in <see cref="More"/>.</summary>
public sealed record V1PodSpec
{
    /// <summary>nodeName is the node that the pod is bound to.</summary>
    public string? NodeName { get; init; }

    /// <summary>runtimeClassName names the RuntimeClass.</summary>
    public string? RuntimeClassName { get; init; }

    /// <summary>restartPolicy is Always, OnFailure or Never.</summary>
    public string? RestartPolicy { get; init; }

    /// <summary>hostNetwork puts the pod into the node's network.</summary>
    public bool? HostNetwork { get; init; }

    /// <summary>hostPID puts the pod into the node's pid namespace.</summary>
    [JsonPropertyName("hostPID")]
    public bool? HostPID { get; init; }

    /// <summary>terminationGracePeriodSeconds is how long a graceful deletion may take.</summary>
    public long? TerminationGracePeriodSeconds { get; init; }

    /// <summary>initContainers run one after the other before the containers.</summary>
    public IList<V1Container>? InitContainers { get; init; }

    /// <summary>containers run side by side.</summary>
    public IList<V1Container> Containers { get; init; } = [];

    /// <summary>volumes that the containers mount.</summary>
    public IList<V1Volume>? Volumes { get; init; }

    /// <summary>Fields that this client does not model, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

/// <summary>One container of a pod.</summary>
public sealed record V1Container
{
    /// <summary>name of the container.</summary>
    public string Name { get; init; } = "";

    /// <summary>image to run.</summary>
    public string? Image { get; init; }

    /// <summary>command replaces the image's entry point.</summary>
    public IList<string>? Command { get; init; }

    /// <summary>args replace the image's arguments.</summary>
    public IList<string>? Args { get; init; }

    /// <summary>workingDir of the command.</summary>
    public string? WorkingDir { get; init; }

    /// <summary>restartPolicy is Always for a sidecar among the init containers.</summary>
    public string? RestartPolicy { get; init; }

    /// <summary>env variables.</summary>
    public IList<V1EnvVar>? Env { get; init; }

    /// <summary>volumeMounts put volumes into the container.</summary>
    public IList<V1VolumeMount>? VolumeMounts { get; init; }

    /// <summary>livenessProbe restarts the container when it fails.</summary>
    public V1Probe? LivenessProbe { get; init; }

    /// <summary>readinessProbe decides whether the container is ready.</summary>
    public V1Probe? ReadinessProbe { get; init; }

    /// <summary>tty gives the container a terminal.</summary>
    public bool? Tty { get; init; }

    /// <summary>Fields that this client does not model, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

/// <summary>An environment variable.</summary>
public sealed record V1EnvVar
{
    /// <summary>name of the variable.</summary>
    public string Name { get; init; } = "";

    /// <summary>value, when it is given literally.</summary>
    public string? Value { get; init; }

    /// <summary>Fields that this client does not model, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

/// <summary>A volume's place in a container.</summary>
public sealed record V1VolumeMount
{
    /// <summary>name of the volume.</summary>
    public string Name { get; init; } = "";

    /// <summary>mountPath in the container.</summary>
    public string MountPath { get; init; } = "";

    /// <summary>readOnly forbids writing.</summary>
    public bool? ReadOnly { get; init; }

    /// <summary>subPath of the volume to mount.</summary>
    public string? SubPath { get; init; }

    /// <summary>Fields that this client does not model, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

/// <summary>A volume of a pod; exactly one source is set.</summary>
public sealed record V1Volume
{
    /// <summary>name of the volume.</summary>
    public string Name { get; init; } = "";

    /// <summary>emptyDir lives and dies with the pod.</summary>
    public V1EmptyDirVolumeSource? EmptyDir { get; init; }

    /// <summary>hostPath is a folder of the node.</summary>
    public V1HostPathVolumeSource? HostPath { get; init; }

    /// <summary>Sources that this client does not model, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

/// <summary>A folder that lives and dies with the pod.</summary>
public sealed record V1EmptyDirVolumeSource
{
    /// <summary>medium is empty for the node's disk, Memory for a tmpfs.</summary>
    public string? Medium { get; init; }

    /// <summary>sizeLimit, a quantity.</summary>
    public string? SizeLimit { get; init; }
}

/// <summary>A folder of the node.</summary>
public sealed record V1HostPathVolumeSource
{
    /// <summary>path on the node.</summary>
    public string Path { get; init; } = "";

    /// <summary>type says what must be there.</summary>
    public string? Type { get; init; }
}

/// <summary>How kubelet asks a container for its health.</summary>
public sealed record V1Probe
{
    /// <summary>exec runs a command in the container.</summary>
    public V1ExecAction? Exec { get; init; }

    /// <summary>initialDelaySeconds before the first probe.</summary>
    public int? InitialDelaySeconds { get; init; }

    /// <summary>periodSeconds between two probes.</summary>
    public int? PeriodSeconds { get; init; }

    /// <summary>timeoutSeconds of one probe.</summary>
    public int? TimeoutSeconds { get; init; }

    /// <summary>failureThreshold is how many failures in a row count.</summary>
    public int? FailureThreshold { get; init; }

    /// <summary>Fields that this client does not model, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

/// <summary>A command to run in a container.</summary>
public sealed record V1ExecAction
{
    /// <summary>command and its arguments.</summary>
    public IList<string> Command { get; init; } = [];
}

/// <summary>What kubelet observed of a pod.</summary>
public sealed record V1PodStatus
{
    /// <summary>phase is Pending, Running, Succeeded, Failed or Unknown.</summary>
    public string? Phase { get; init; }

    /// <summary>reason, one word.</summary>
    public string? Reason { get; init; }

    /// <summary>message for people.</summary>
    public string? Message { get; init; }

    /// <summary>podIP is the pod's address.</summary>
    [JsonPropertyName("podIP")]
    public string? PodIP { get; init; }

    /// <summary>podIPs are all its addresses.</summary>
    [JsonPropertyName("podIPs")]
    public IList<V1PodIP>? PodIPs { get; init; }

    /// <summary>hostIP is the node's address.</summary>
    [JsonPropertyName("hostIP")]
    public string? HostIP { get; init; }

    /// <summary>startTime is when kubelet took the pod.</summary>
    public DateTime? StartTime { get; init; }

    /// <summary>conditions of the pod.</summary>
    public IList<V1PodCondition>? Conditions { get; init; }

    /// <summary>containerStatuses, one per container.</summary>
    public IList<V1ContainerStatus>? ContainerStatuses { get; init; }

    /// <summary>initContainerStatuses, one per init container.</summary>
    public IList<V1ContainerStatus>? InitContainerStatuses { get; init; }
}

/// <summary>One address of a pod.</summary>
public sealed record V1PodIP
{
    /// <summary>ip is the address.</summary>
    public string? Ip { get; init; }
}

/// <summary>A condition of a pod.</summary>
public sealed record V1PodCondition
{
    /// <summary>type, for example Ready.</summary>
    public string Type { get; init; } = "";

    /// <summary>status is True, False or Unknown.</summary>
    public string Status { get; init; } = "";

    /// <summary>reason, one word.</summary>
    public string? Reason { get; init; }

    /// <summary>message for people.</summary>
    public string? Message { get; init; }

    /// <summary>lastTransitionTime is when status last changed.</summary>
    public DateTime? LastTransitionTime { get; init; }
}

/// <summary>What kubelet observed of a container.</summary>
public sealed record V1ContainerStatus
{
    /// <summary>name of the container.</summary>
    public string Name { get; init; } = "";

    /// <summary>state now; one member is set.</summary>
    public V1ContainerState? State { get; init; }

    /// <summary>lastState is how the container before this one ended.</summary>
    public V1ContainerState? LastState { get; init; }

    /// <summary>ready by its probe.</summary>
    public bool Ready { get; init; }

    /// <summary>started by its startup probe.</summary>
    public bool? Started { get; init; }

    /// <summary>restartCount counts the containers before this one.</summary>
    public int RestartCount { get; init; }

    /// <summary>image as asked for.</summary>
    public string Image { get; init; } = "";

    /// <summary>imageID is the image's digest.</summary>
    [JsonPropertyName("imageID")]
    public string ImageID { get; init; } = "";

    /// <summary>containerID, runtime and id.</summary>
    [JsonPropertyName("containerID")]
    public string? ContainerID { get; init; }
}

/// <summary>State of a container; one member is set.</summary>
public sealed record V1ContainerState
{
    /// <summary>waiting to start.</summary>
    public V1ContainerStateWaiting? Waiting { get; init; }

    /// <summary>running.</summary>
    public V1ContainerStateRunning? Running { get; init; }

    /// <summary>terminated.</summary>
    public V1ContainerStateTerminated? Terminated { get; init; }
}

/// <summary>A container that does not run yet.</summary>
public sealed record V1ContainerStateWaiting
{
    /// <summary>reason, one word.</summary>
    public string? Reason { get; init; }

    /// <summary>message for people.</summary>
    public string? Message { get; init; }
}

/// <summary>A running container.</summary>
public sealed record V1ContainerStateRunning
{
    /// <summary>startedAt is when it started.</summary>
    public DateTime? StartedAt { get; init; }
}

/// <summary>A container that ended.</summary>
public sealed record V1ContainerStateTerminated
{
    /// <summary>exitCode of its first process.</summary>
    public int ExitCode { get; init; }

    /// <summary>reason, one word.</summary>
    public string? Reason { get; init; }

    /// <summary>message for people.</summary>
    public string? Message { get; init; }

    /// <summary>startedAt is when it started.</summary>
    public DateTime? StartedAt { get; init; }

    /// <summary>finishedAt is when it ended.</summary>
    public DateTime? FinishedAt { get; init; }

    /// <summary>containerID, runtime and id.</summary>
    [JsonPropertyName("containerID")]
    public string? ContainerID { get; init; }
}
