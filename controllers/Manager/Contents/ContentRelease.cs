using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Contents;

/// <summary>Lets a content go: its bytes first, where its policy says so, then its finalizer.</summary>
internal sealed class ContentRelease(
    ICluster cluster,
    IAgentDirectory agents,
    PendingCalls calls,
    IEventRecorder events,
    IOptions<OperatorOptions> options,
    TimeProvider time)
{
    /// <summary>How long the volume is waited for at least, from the first question on, and from the last.</summary>
    private static readonly TimeSpan Least = TimeSpan.FromMinutes(2);

    /// <summary>After so long it is asked again, at the latest.</summary>
    private static readonly TimeSpan LongestDelay = TimeSpan.FromMinutes(1);

    /// <summary>How far the removal of each content's bytes has come, in this life of the operator.</summary>
    private readonly ConcurrentDictionary<string, Removal> _removals = new();

    /// <summary>Goes one step; <paramref name="requeue"/> is run when there is more to do.</summary>
    /// <returns>When it is to be looked at again, though nothing happens.</returns>
    public async Task<ReconcileResult> ReleaseAsync<T>(
        T content, CheckpointSource source, bool keepBytes, Action requeue, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (!content.HasFinalizer(WellKnown.ContentFinalizer))
        {
            return ReconcileResult.Done;
        }

        // No answer wakes anybody where a volume hangs.
        if (!keepBytes && RemoveBytes(content, source, requeue) is { } rest)
        {
            return new ReconcileResult(rest);
        }

        await cluster.RemoveFinalizerAsync(content, WellKnown.ContentFinalizer, cancellationToken);
        calls.Forget(Key(content));
        _removals.TryRemove(content.Metadata.Uid!, out _);
        return ReconcileResult.Done;
    }

    /// <summary>Whether the removal of a content's bytes has been begun, and has not ended.</summary>
    public bool IsUnderWay(IKubernetesObject<V1ObjectMeta> content) => calls.IsUnderWay(Key(content));

    /// <summary>Whether a content's bytes have been asked to be removed, however that has ended.</summary>
    public bool HasBegun(IKubernetesObject<V1ObjectMeta> content) => _removals.ContainsKey(content.Metadata.Uid!);

    private static string Key(IKubernetesObject<V1ObjectMeta> content) => $"content/{content.Metadata.Uid}/delete";

    private static DateTime Later(DateTime one, DateTime other) => one > other ? one : other;

    private static DateTime Earlier(DateTime one, DateTime other) => one < other ? one : other;

    /// <summary>Asks for the bytes to be removed, unless that is under way, or has just failed.</summary>
    /// <returns>How long to wait; null where the bytes are gone, or have been given up.</returns>
    private TimeSpan? RemoveBytes(IKubernetesObject<V1ObjectMeta> content, CheckpointSource source, Action requeue)
    {
        var now = time.GetUtcNow().UtcDateTime;
        var removal = _removals.GetOrAdd(content.Metadata.Uid!, _ => new Removal { Since = now });
        var patience = options.Value.BytesPatience;
        var least = patience < Least ? patience : Least;
        // A content may have waited for its claim for longer than that, or for an operator: the volume has had no time
        // then.
        var until = Later(content.Metadata.DeletionTimestamp!.Value + patience, removal.Since + least);
        if (removal.HasFailed && now < Earlier(until, removal.Next))
        {
            return removal.Next - now;
        }

        if (removal.MayAsk(now, until))
        {
            if (Attempt(content, source, removal, now, requeue))
            {
                return null;
            }

            var end = removal.IsUnderWay ? Later(until, removal.Begun + least) : until;
            if (now < end && removal.HasFailed)
            {
                TellRetried(content, source, removal.Failure, end);
                return Earlier(end, removal.Next) - now;
            }

            if (now < end)
            {
                return end - now;
            }
        }

        TellLeftBehind(content, source, removal);
        return null;
    }

    private void TellRetried(
        IKubernetesObject<V1ObjectMeta> content, CheckpointSource source, AgentException failure, DateTime end) =>
        events.Record(
            content, "Warning", failure.Reason,
            $"{Name(source)} cannot be removed: {failure.Message}. Tried again until {end:u}; then this object goes "
                + "without them.");

    private void TellLeftBehind(
        IKubernetesObject<V1ObjectMeta> content, CheckpointSource source, Removal removal) =>
        events.Record(
            content, "Warning", Reasons.BytesLeftBehind,
            $"{Name(source)} {(removal.IsUnderWay ? "may stay" : "stays")} on the volume: "
                + $"{removal.Failure?.Message ?? "no agent has heard of the volume since it was asked"}. "
                + "Remove it with the store tool's gc, or by the retention's orphans rule.");

    /// <summary>Asks for the bytes to be removed, or what has become of that, and notes it.</summary>
    /// <returns>Whether they are gone.</returns>
    private bool Attempt(
        IKubernetesObject<V1ObjectMeta> content, CheckpointSource source, Removal removal, DateTime now, Action requeue)
    {
        var request = new DeleteCheckpointRequest
        {
            PodUid = source.PodUID, CheckpointId = source.CheckpointID, ContainerName = source.ContainerName ?? "",
        };
        try
        {
            // The node that dumped, for it knows of a dump under way; but any that is ready reaches the volume, and a
            // dead one must not hold the bytes.
            if (calls.AskAny(
                Key(content),
                agents,
                source.NodeName,
                (agent, token) => agent.DeleteCheckpointAsync(request, token),
                requeue) is not null)
            {
                return true;
            }

            removal.Begun = removal.IsUnderWay ? removal.Begun : now;
            removal.IsUnderWay = true;
        }
        catch (AgentException exception)
        {
            var delay = TimeSpan.FromSeconds(1 << Math.Min(removal.Failures++, 6));
            removal.Next = now + (delay < LongestDelay ? delay : LongestDelay);
            removal.Failure = exception;
            removal.IsUnderWay = false;
        }

        return false;
    }

    /// <summary>Where a content's bytes are on the volume.</summary>
    private static string Name(CheckpointSource source) =>
        ArtifactUri.ForPod(source.PodUID, source.CheckpointID)
        + (source.ContainerName is { } name ? "/" + name : "");

    /// <summary>Attempts to remove a content's bytes, one after the other: a content has one worker.</summary>
    private sealed class Removal
    {
        public required DateTime Since { get; init; }

        /// <summary>When the last attempt was begun.</summary>
        public DateTime Begun { get; set; }

        /// <summary>Whether nothing has been heard of the last attempt.</summary>
        public bool IsUnderWay { get; set; }

        public int Failures { get; set; }

        /// <summary>How the last attempt of which something was heard has failed.</summary>
        public AgentException? Failure { get; set; }

        /// <summary>When the next attempt is due.</summary>
        public DateTime Next { get; set; }

        /// <summary>Whether the last attempt has failed.</summary>
        [MemberNotNullWhen(true, nameof(Failure))]
        public bool HasFailed => !IsUnderWay && Failure is not null;

        /// <summary>What failed is not asked once more in the end: nobody would wait for it, and it might remove what
        /// is said to stay.</summary>
        public bool MayAsk(DateTime now, DateTime until) => !HasFailed || now < until;
    }
}
