using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.Agents;

/// <summary>Asks the agent of a pod's node how far the pod's containers have been restored. It answers when what is
/// waited for has come, when a container has failed, or when the wait is over; who still waits asks again.</summary>
internal static class RestoreQuestion
{
    private static readonly TimeSpan WaitForTarget = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan WaitForRestore = TimeSpan.FromSeconds(20);

    /// <summary>What the agent takes for "every container runs".</summary>
    private const string Running = "";

    /// <summary>How far it is now.</summary>
    public static GetRestoreRequest Now(V1Pod pod, IEnumerable<string> containers) =>
        Of(pod, containers, TimeSpan.Zero, Running);

    /// <summary>Waits until a container waits for its checkpoint.</summary>
    public static GetRestoreRequest UntilWaiting(V1Pod pod, IEnumerable<string> containers) =>
        Of(pod, containers, WaitForTarget, RestorePhases.Waiting);

    /// <summary>Waits until every container is restored, running or not.</summary>
    public static GetRestoreRequest UntilRestored(V1Pod pod, IEnumerable<string> containers) =>
        Of(pod, containers, WaitForRestore, RestorePhases.Restored);

    /// <summary>Waits until every container runs.</summary>
    public static GetRestoreRequest UntilRunning(V1Pod pod, IEnumerable<string> containers) =>
        Of(pod, containers, WaitForRestore, Running);

    private static GetRestoreRequest Of(V1Pod pod, IEnumerable<string> containers, TimeSpan wait, string until)
    {
        var request = new GetRestoreRequest
        {
            PodUid = pod.Metadata.Uid,
            WaitMilliseconds = (uint)wait.TotalMilliseconds,
            Until = until,
        };
        request.ContainerNames.AddRange(containers);
        return request;
    }
}
