namespace PodCheckpointing.Api.V1;

/// <summary>Reasons of conditions and events, also those that an agent gives.</summary>
/// <remarks>The summary of each says what it means, the remarks what to do: config/reference/reasons.md.</remarks>
public static class Reasons
{
    /// <summary>The work has not begun: it waits for its turn, or for what the message names (KEP-5823).</summary>
    /// <remarks>Nothing to do. When it stays so, look at the operator: kubectl -n pod-checkpointing-system get
    /// pods.</remarks>
    public const string Pending = "Pending";

    /// <summary>The dump is under way; the message counts the containers (KEP-5823).</summary>
    /// <remarks>Nothing to do. It ends by itself, also when the operator or the agent is restarted meanwhile.</remarks>
    public const string CheckpointInProgress = "CheckpointInProgress";

    /// <summary>The checkpoint is whole on the volume and can be restored (KEP-5823).</summary>
    /// <remarks>Nothing to do.</remarks>
    public const string CheckpointCompleted = "CheckpointCompleted";

    /// <summary>The dump failed, or what it wrote is broken; nothing of it counts (KEP-5823). The message has the words
    /// of the runtime and of CRIU.</summary>
    /// <remarks>Read the message. A process that cannot be dumped (a device, a debugger, an open file of another pod)
    /// must let go of what CRIU names; then create another object.</remarks>
    public const string CheckpointFailed = "CheckpointFailed";

    /// <summary>A namesake with another uid stands where the pod was (KEP-5823).</summary>
    /// <remarks>Decide whether the new pod is meant, and create an object that names its uid or none.</remarks>
    public const string SourcePodReplaced = "SourcePodReplaced";

    /// <summary>No pod of that name exists in the namespace of the object.</summary>
    /// <remarks>Check spec.podName and the namespace: kubectl get pods.</remarks>
    public const string PodNotFound = "PodNotFound";

    /// <summary>The pod, or one of its containers, does not run.</summary>
    /// <remarks>Wait until every container runs, then create another object.</remarks>
    public const string PodNotRunning = "PodNotRunning";

    /// <summary>The runtime of the node has no such container in the pod.</summary>
    /// <remarks>Compare the name with kubectl get pod -o jsonpath={.spec.containers[*].name}; a container that has just
    /// ended needs a new attempt.</remarks>
    public const string ContainerNotFound = "ContainerNotFound";

    /// <summary>The pod has connected TCP sockets, and spec.tcpPolicy is Reject; or it is a snapshot, which closes
    /// none. The message counts them.</summary>
    /// <remarks>Let the application close them, or migrate with tcpPolicy: Close and let it connect again. A snapshot
    /// is taken when there are none.</remarks>
    public const string EstablishedTcpConnections = "EstablishedTcpConnections";

    /// <summary>The target would not have the pod's address, which tcpPolicy Established needs, or which the pod asks
    /// for in a way that only one pod can have; the message says which.</summary>
    /// <remarks>Use tcpPolicy: Close, or create the pod with the annotation that the message names.</remarks>
    public const string AddressNotKept = "AddressNotKept";

    /// <summary>No node of that name exists, or it has no address.</summary>
    /// <remarks>Check the name: kubectl get nodes.</remarks>
    public const string NodeNotFound = "NodeNotFound";

    /// <summary>The node is not ready, is cordoned, or lacks what the message names: an agent, the fence hook, the
    /// restore handler, a crun with CRIU, the same runtime.</summary>
    /// <remarks>Mend what the message names, or name another targetNode.</remarks>
    public const string NodeNotCapable = "NodeNotCapable";

    /// <summary>The target's processor is of another architecture or maker, or lacks instructions that the pod's
    /// processes may have found at their start and use since; the message names them.</summary>
    /// <remarks>Name a targetNode whose processor has them. In a cluster of mixed machines, migrate within those that
    /// are alike, or give all virtual machines the same CPU model.</remarks>
    public const string CpuNotCompatible = "CpuNotCompatible";

    /// <summary>The kernel of the target is older than that of the source, whose processes may use what it does not
    /// have.</summary>
    /// <remarks>Update the target's kernel, or name another targetNode.</remarks>
    public const string KernelTooOld = "KernelTooOld";

    /// <summary>CRIU of the target is older than that of the source, and need not understand its images.</summary>
    /// <remarks>Install the same CRIU on all nodes.</remarks>
    public const string CriuTooOld = "CriuTooOld";

    /// <summary>The two nodes do not see the same checkpoint volume: it carries another identity there, or what one has
    /// just written the other does not find.</summary>
    /// <remarks>Compare what is mounted at the checkpoint folder of both nodes: findmnt /mnt/checkpoints. A folder
    /// without the volume is a volume of its own.</remarks>
    public const string StoreNotShared = "StoreNotShared";

    /// <summary>The pod's memory and volumes are more than is free on the checkpoint volume, on the disk of the target
    /// where checkpoints are staged, or on that of the source, where runtime and kubelet each write it. The message has
    /// both figures: without the compression, which nobody knows beforehand. Or one of them ran full, or out of its
    /// quota, while the checkpoint was written: a migration rolls back at once.</summary>
    /// <remarks>Make room there: delete PodCheckpoints that are not needed, set rules of retention, or enlarge the
    /// volume on its server (of NFS the export; the claim's size cannot be changed, and stays as it is); then create
    /// another object.</remarks>
    public const string NotEnoughSpace = "NotEnoughSpace";

    /// <summary>A process of the pod has something open that CRIU cannot dump: io_uring, a device, a socket of another
    /// kind, a large deleted file; or a debugger holds it; or another runtime than crun has made its container. The
    /// message names it, and what to do.</summary>
    /// <remarks>Do what the message says, or leave the pod where it is.</remarks>
    public const string ProcessNotMigratable = "ProcessNotMigratable";

    /// <summary>The target cannot have the very image that a container runs: its node does not have it and may not pull
    /// it (imagePullPolicy Never), or would only while the pod stands still (kubelet pulls the images of all but the
    /// first container so late), or has another image under that name and no digest says which one is meant.</summary>
    /// <remarks>Bring the image to the target, the same one: the message has the names and ids. Or run the pod from a
    /// registry's image.</remarks>
    public const string ImageNotPresent = "ImageNotPresent";

    /// <summary>Kubelet could not pull an image for the target pod; the message has its
    /// words. The source goes on.</summary>
    /// <remarks>See whether the target's node reaches the registry, and whether the pod's
    /// imagePullSecrets still hold.</remarks>
    public const string ImageNotPulled = "ImageNotPulled";

    /// <summary>The pod may not stand still for as long as a migration takes, or a container for its snapshot: kubelet
    /// would kill what does not answer its liveness probe meanwhile. The message names the probe.</summary>
    /// <remarks>Create the pod with a probe that waits longer: (failureThreshold - 1) ×
    /// periodSeconds is what counts.</remarks>
    public const string FreezeTooShort = "FreezeTooShort";

    /// <summary>The target has not left what the pod requests, or its host ports are taken; the message has the
    /// figures.</summary>
    /// <remarks>Make room on the node, or name another targetNode: kubectl describe node.</remarks>
    public const string InsufficientResources = "InsufficientResources";

    /// <summary>The target has a taint that the pod does not tolerate.</summary>
    /// <remarks>Name another targetNode, or create the pod with the toleration.</remarks>
    public const string TaintNotTolerated = "TaintNotTolerated";

    /// <summary>The pod's nodeSelector, its required affinity to nodes or pods, that of other pods, or its topology
    /// spread keeps it away from the target.</summary>
    /// <remarks>Name a targetNode that has the labels: kubectl get nodes --show-labels; of
    /// pods the message names one.</remarks>
    public const string NodeNotSelected = "NodeNotSelected";

    /// <summary>The agent of a node does not answer, or the node runs none, or its container runtime does not answer
    /// the agent. It is asked again.</summary>
    /// <remarks>kubectl -n pod-checkpointing-system get pods -o wide shows the agents; its log says why it does not
    /// answer. Expired certificates: see config/README.md.</remarks>
    public const string AgentUnavailable = "AgentUnavailable";

    /// <summary>The agent of a node has answered that it failed, and not said why: it has met what nobody foresaw. The
    /// message has the little that it says. It is asked again, unless it does not
    /// know what it is asked to do.</summary>
    /// <remarks>The log of the agent that the message names says why: kubectl -n pod-checkpointing-system get pods -o
    /// wide shows the agents. Install agents and operator of one release.</remarks>
    public const string AgentFailed = "AgentFailed";

    /// <summary>No agent's pod is on the node, though others have one: it is asked
    /// nothing, and takes no part.</summary>
    /// <remarks>Where no pod is to leave or to go to, nothing. Elsewhere see what keeps the agent away, a taint or a
    /// nodeSelector: kubectl -n pod-checkpointing-system describe daemonset checkpoint-agent.</remarks>
    public const string AgentMissing = "AgentMissing";

    /// <summary>The agent does not reach its node's kubelet. It is asked again.</summary>
    /// <remarks>Look at kubelet on that node; check the agent's kubelet URL and its CA. A certificate that kubelet made
    /// for itself lives for a year and is never renewed: on the node remove /var/lib/kubelet/pki/kubelet.crt and
    /// kubelet.key and restart kubelet, or let the cluster sign and renew it (serverTLSBootstrap).</remarks>
    public const string KubeletUnavailable = "KubeletUnavailable";

    /// <summary>Kubelet does not let the agent checkpoint.</summary>
    /// <remarks>The agent needs the right to create nodes/checkpoint: kubectl apply -k config/rbac.</remarks>
    public const string KubeletForbidden = "KubeletForbidden";

    /// <summary>Kubelet or the runtime of the node has checkpointing switched off.</summary>
    /// <remarks>Set kubelet's feature gate ContainerCheckpoint, and enable_criu_support in CRI-O; containerd needs CRIU
    /// on its path.</remarks>
    public const string CheckpointDisabled = "CheckpointDisabled";

    /// <summary>The volume refused: it is not mounted, or its server does not answer. It is tried again.</summary>
    /// <remarks>Look at the volume on the node that the message names: mount, and the NFS server. "Permission denied"
    /// is root squash as a rule: export with no_root_squash, or a folder that the squashed user may write.</remarks>
    public const string StoreUnavailable = "StoreUnavailable";

    /// <summary>What an object stands for is not on the volume, or is broken there.</summary>
    /// <remarks>Look at the volume for the URI that the object names. Bytes that are gone cannot be brought back:
    /// delete the object.</remarks>
    public const string ArtifactMissing = "ArtifactMissing";

    /// <summary>The bytes could not be removed in time; the object went without them, and they stay on the
    /// volume.</summary>
    /// <remarks>Remove the folder that the message names by hand, when the volume can be reached again.</remarks>
    public const string BytesLeftBehind = "BytesLeftBehind";

    /// <summary>A retention rule has removed the checkpoint, or would if it were not a dry run.</summary>
    /// <remarks>To keep a checkpoint, give it the annotation pinned=true, under the name of the API group.</remarks>
    public const string Expired = "Expired";

    /// <summary>Another migration of the same pod is under way, or its node's agent holds the pod for one.</summary>
    /// <remarks>Wait for the other one, or abort it.</remarks>
    public const string MigrationInProgress = "MigrationInProgress";

    /// <summary>As many migrations as may be under way at once are; the message names the limit. The migration has not
    /// begun, and its timeoutSeconds do not run yet.</summary>
    /// <remarks>Nothing to do: it begins when others have ended, the oldest first. Deleting or aborting it works at
    /// once. To let more run side by side, raise the operator's setting that the message names.</remarks>
    public const string WaitingForSlot = "WaitingForSlot";

    /// <summary>The pod has something that cannot travel: the message names the volume, the owner, the terminal, the
    /// sidecar or the name space.</summary>
    /// <remarks>Change the pod as the message says, or leave it where it is.</remarks>
    public const string PodNotMigratable = "PodNotMigratable";

    /// <summary>A PersistentVolumeClaim of the pod cannot be mounted at the target while the source has it, where the
    /// target pod waits beside it: its volume is for one node or one pod at a time (ReadWriteOnce, ReadWriteOncePod),
    /// can be shared for reading only and the pod writes, or is a hostPath. The message names the volume, the claim and
    /// the access modes.</summary>
    /// <remarks>Give the pod a claim with access mode ReadWriteMany, on storage that has it; or, where nobody writes,
    /// set persistentVolumeClaim.readOnly of the pod's volume, with ReadOnlyMany.</remarks>
    public const string VolumeNotShared = "VolumeNotShared";

    /// <summary>A PersistentVolumeClaim of the pod does not exist, is being deleted, or is not bound to a volume that
    /// exists: no new pod can mount it.</summary>
    /// <remarks>See what has become of it: kubectl describe pvc CLAIM.</remarks>
    public const string ClaimNotBound = "ClaimNotBound";

    /// <summary>A volume cannot be reached from the target: its nodeAffinity, see the message, excludes it.</summary>
    /// <remarks>Name a targetNode that the volume's nodeAffinity lets in: kubectl describe pv VOLUME.</remarks>
    public const string VolumeNotReachable = "VolumeNotReachable";

    /// <summary>The Service of spec.serviceName does not exist, or does not lead to the pod; see the message.</summary>
    /// <remarks>Name one whose selector the pod's labels match: kubectl get services -o wide. Or omit it.</remarks>
    public const string ServiceNotSelecting = "ServiceNotSelecting";

    /// <summary>The restored pod runs and is not ready. Of a ready pod and another one a ReplicaSet drops the other
    /// one, so the restored pod takes the source's place only when it is ready, or after five minutes.</summary>
    /// <remarks>See why it is not ready: kubectl describe pod.</remarks>
    public const string TargetNotReady = "TargetNotReady";

    /// <summary>The pod has moved, and after a minute its Service did not lead to it yet, or still to the
    /// source.</summary>
    /// <remarks>Look at kubectl get endpointslices and at the restored pod's readiness. The cluster's EndpointSlice
    /// controller may be behind; there is nothing to undo.</remarks>
    public const string EndpointsNotSwitched = "EndpointsNotSwitched";

    /// <summary>Operator and agent do not understand each other: a request had no sense.</summary>
    /// <remarks>Run both in the same version. If they do, it is a bug: please report it with the message.</remarks>
    public const string InvalidArgument = "InvalidArgument";

    /// <summary>The API server refused to create or change an object that is needed: the message has its words. A
    /// quota, an admission webhook or policy, or a rule of the kind stands behind it.</summary>
    /// <remarks>Do what the message says, and create the object anew: a migration needs room for two pods for a
    /// while.</remarks>
    public const string RequestRefused = "RequestRefused";

    /// <summary>The source pod has been ended by its kubelet, and its object is held by finalizers of somebody else,
    /// which the message names.</summary>
    /// <remarks>See to whoever has set them, or take them away: kubectl edit pod.</remarks>
    public const string SourceHeld = "SourceHeld";

    /// <summary>The source stands still until the target pod has ended, and that takes longer than a kubelet needs:
    /// finalizers of somebody else hold its object, or its kubelet does not hear of it or cannot end
    /// it. The message says which.</summary>
    /// <remarks>Take the finalizers away (kubectl edit pod), or look at the kubelet of the target's node; the source
    /// goes on by itself when the target has ended.</remarks>
    public const string TargetHeld = "TargetHeld";

    /// <summary>What the condition says has come about.</summary>
    /// <remarks>Nothing to do.</remarks>
    public const string Succeeded = "Succeeded";

    /// <summary>The restore failed: the message has CRIU's words. A migration rolls back.</summary>
    /// <remarks>Read the message. Usual causes: another image, kernel, CPU or CRIU at the target; a file that the
    /// process had open and that the target's volumes do not have.</remarks>
    public const string RestoreFailed = "RestoreFailed";

    /// <summary>The pod asks for a checkpoint that it may not or cannot have; it stays without one.</summary>
    /// <remarks>Read the message: write shared://podUID/checkpointID of a ready PodCheckpoint of the same namespace,
    /// the same containers, and runtimeClassName checkpoint-restore.</remarks>
    public const string RestoreRefused = "RestoreRefused";

    /// <summary>The checkpoint belongs to another namespace; no byte of it was given.</summary>
    /// <remarks>Have an administrator import it: a PodCheckpointContent whose podCheckpointRef names a PodCheckpoint of
    /// your namespace.</remarks>
    public const string NamespaceMismatch = "NamespaceMismatch";

    /// <summary>spec.timeoutSeconds ran out before the restore was verified, or the pod stood still for as long as its
    /// liveness probes allow; the migration rolls back, and the message says which.</summary>
    /// <remarks>See in status.steps where the time went; create another PodMigration with a longer timeoutSeconds.
    /// Where it was a probe's limit, raise its failureThreshold or periodSeconds.</remarks>
    public const string TimedOut = "TimedOut";

    /// <summary>The user asked to stop, by spec.abort or by deleting the migration; it rolls back.</summary>
    /// <remarks>Nothing to do.</remarks>
    public const string Aborted = "Aborted";

    /// <summary>The user asked to stop when there was no way back any more: the target's processes ran, or a fresh pod
    /// was being started in the source's place. The migration goes on to its end.</summary>
    /// <remarks>Nothing to do. To have the pod at its old node again, move it back with another PodMigration.</remarks>
    public const string AbortTooLate = "AbortTooLate";

    /// <summary>The migration failed, or was stopped, before the target's processes had been let run: they never
    /// will.</summary>
    /// <remarks>Nothing to do: the source goes on.</remarks>
    public const string Withdrawn = "Withdrawn";

    /// <summary>The target was let go, and its node does not answer since. The pod may run there, so the source stays
    /// stopped.</summary>
    /// <remarks>Mend the node: when it answers, the migration ends by itself. Declare it dead only when it is certain
    /// not to run any more, and the source goes on: kubectl taint node NODE
    /// node.kubernetes.io/out-of-service=nodeshutdown:NoExecute, which counts while the node is not ready, or kubectl
    /// delete node NODE, which counts after a minute, or kubectl delete pod TARGET --force. Never of a node that may
    /// run: two copies would. Take the taint back when the machine is mended: kubectl taint node NODE
    /// node.kubernetes.io/out-of-service-</remarks>
    public const string TargetUnreachable = "TargetUnreachable";

    /// <summary>The node of the source does not answer: its pod can neither be removed nor told to go on.</summary>
    /// <remarks>Mend the node: when it answers, the migration ends by itself. Declare it dead only when it is certain
    /// not to run any more: kubectl taint node NODE node.kubernetes.io/out-of-service=nodeshutdown:NoExecute, which
    /// counts while the node is not ready, or kubectl delete node NODE, which counts after a minute. Take the taint
    /// back when the machine is mended: kubectl taint node NODE node.kubernetes.io/out-of-service-</remarks>
    public const string SourceUnreachable = "SourceUnreachable";

    /// <summary>A node is gone, or was put out of service: the target's before the restore was verified, and the
    /// migration goes back; or the source's before the pod was dumped, and the pod went with it.</summary>
    /// <remarks>What the target had done since it was let go is lost with its node: create another PodMigration to
    /// another node. What the source had in memory is lost with its: start the pod afresh, or restore an older
    /// PodCheckpoint of it.</remarks>
    public const string NodeLost = "NodeLost";

    /// <summary>A claim and its content do not point at each other, by uid; or the object belongs to somebody
    /// else.</summary>
    /// <remarks>Look at both: kubectl get pcp,pcpc -A -o wide. Offer the content anew by setting its reference without
    /// a uid, or delete the object that is in the way.</remarks>
    public const string BindingMismatch = "BindingMismatch";

    /// <summary>A content and its claim point at each other, by uid.</summary>
    /// <remarks>Nothing to do.</remarks>
    public const string Bound = "Bound";

    /// <summary>A content is offered to a claim that has not taken it yet.</summary>
    /// <remarks>Create the PodCheckpoint that the message names, with podCheckpointContentName.</remarks>
    public const string Available = "Available";

    /// <summary>A content's claim is gone; the bytes stay.</summary>
    /// <remarks>To use it again, offer it to another claim: set its reference without a uid. Else delete the
    /// content.</remarks>
    public const string Released = "Released";

    /// <summary>Somebody still needs the object: its deletion waits. Or its bytes: then it goes without them.</summary>
    /// <remarks>Wait for the restore, or delete the one that the message names first.</remarks>
    public const string InUse = "InUse";

    /// <summary>The image of a checkpoint could not be put into the node's image store.</summary>
    /// <remarks>Read the message: the runtime's store is full, locked or read-only.</remarks>
    public const string NodeStoreFailed = "NodeStoreFailed";

    /// <summary>The registry did not answer. It is asked again.</summary>
    /// <remarks>Check the registry's name and whether the node reaches it.</remarks>
    public const string RegistryUnavailable = "RegistryUnavailable";

    /// <summary>The registry refused the agent's credentials, or it has none.</summary>
    /// <remarks>Give the agent credentials that may push to that repository.</remarks>
    public const string RegistryDenied = "RegistryDenied";

    /// <summary>The registry refused the upload for another reason; the message has its words.</summary>
    /// <remarks>Read the message: a name that it does not allow, a full disk, a limit.</remarks>
    public const string RegistryRefused = "RegistryRefused";

    /// <summary>The registry stored something else than what was sent.</summary>
    /// <remarks>Do not use that image; look for what stands between the node and the registry.</remarks>
    public const string RegistryWrongDigest = "RegistryWrongDigest";
}
