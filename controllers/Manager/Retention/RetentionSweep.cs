using k8s;
using k8s.Models;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Manager.PodCheckpoints;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Retention;

/// <summary>From time to time: removes what the rules do not keep, and compares objects and bytes both ways.</summary>
internal sealed class RetentionSweep(
    ICluster cluster,
    IAgentDirectory agents,
    IEventRecorder events,
    ILeadership leadership,
    IEnumerable<IInformer> informers,
    IOptions<OperatorOptions> options,
    TimeProvider time,
    ILogger<RetentionSweep> logger) : LeaderSweep(informers, leadership, options.Value.Retention.Interval, time, logger)
{
    private readonly RetentionOptions _rules = options.Value.Retention;

    /// <summary>What was logged of those that could not be seen to, by what they are called, in the
    /// last sweep and in this one.</summary>
    private Dictionary<string, string> _told = [];
    private Dictionary<string, string> _telling = [];

    /// <inheritdoc/>
    public override async Task SweepAsync(CancellationToken cancellationToken)
    {
        _telling = [];
        try
        {
            await ExpireAsync(cancellationToken);
            await CompareAsync(cancellationToken);
        }
        finally
        {
            _told = _telling;
        }
    }

    private async Task ExpireAsync(CancellationToken cancellationToken)
    {
        foreach (var (seen, rule) in RetentionRules.Choose(
            cluster.All<PodCheckpoint>(), ContentOf, _rules, Time.GetUtcNow().UtcDateTime))
        {
            await EachAsync($"PodCheckpoint {ObjectKey.Of(seen)}", async () =>
            {
                if (_rules.DryRun)
                {
                    events.Record(seen, "Normal", Reasons.Expired, $"would be removed: {rule}");
                    return;
                }

                // The view may lag behind: it may have been pinned, or its content
                // retained, or a namesake be there by now.
                if (await cluster.ReadAsync<PodCheckpoint>(
                    ObjectKey.Of(seen), cancellationToken) is { Metadata.DeletionTimestamp: null } checkpoint
                    && checkpoint.Metadata.Uid == seen.Metadata.Uid
                    && RetentionRules.IsRemovable(
                        checkpoint, await cluster.ReadAsync<PodCheckpointContent>(
                            ContentKey(checkpoint), cancellationToken))
                    && await cluster.DeleteVersionAsync(checkpoint, cancellationToken))
                {
                    events.Record(checkpoint, "Normal", Reasons.Expired, $"is removed: {rule}");
                }
            });
        }
    }

    private async Task CompareAsync(CancellationToken cancellationToken)
    {
        // The objects first: what is dumped after that is younger than any orphan.
        var contents = cluster.All<PodCheckpointContent>().ToList();
        var owned = Named(contents, cluster.All<ContainerCheckpointContent>());
        if (!agents.Ready().Any())
        {
            return;
        }

        var (agent, stored) = await agents.AskAnyAsync(
            first: null,
            Leadership,
            async a => (a, await a.ListCheckpointsAsync(cancellationToken).ToListAsync(cancellationToken)));
        var orphans = stored.Where(s => !owned.Contains((s.PodUid, s.CheckpointId))
            && Time.GetUtcNow() - s.LastWritten.ToDateTimeOffset() > _rules.OrphanAge).ToList();
        if (orphans.Count > 0)
        {
            await EachAsync("bytes that belong to no object", () => OrphansAsync(agent, orphans, cancellationToken));
        }

        // An empty volume where much should be is one that is not mounted.
        if (stored.Count > 0)
        {
            // One without its seal is not whole, whatever is left of it.
            var whole = stored.Where(s => s.IsSealed).Select(s => (s.PodUid, s.CheckpointId)).ToHashSet();
            foreach (var content in contents.Where(c =>
                c.Status?.Ready == true && c.Metadata.DeletionTimestamp is null
                && !whole.Contains((c.Spec.Source.PodUID, c.Spec.Source.CheckpointID))))
            {
                await EachAsync(
                    $"PodCheckpointContent {content.Metadata.Name}",
                    () => LostAsync(content, agent, cancellationToken));
            }
        }
    }

    /// <summary>One that cannot be seen to holds up no other. It is tried again, and told again
    /// when it says something else.</summary>
    private async Task EachAsync(string what, Func<Task> act)
    {
        try
        {
            await act();
        }
        catch (Exception exception) when (exception is KubernetesException or ConflictException or HttpRequestException
            // An agent that is silent, or has lost the volume, is so for all that would follow.
            or AgentException { Reason: not (Reasons.AgentUnavailable or Reasons.StoreUnavailable) })
        {
            _telling[what] = exception.Message;
            if (_told.GetValueOrDefault(what) != exception.Message)
            {
                ManagerLog.NotSwept(Logger, what, exception.Message);
            }
        }
    }

    private async Task OrphansAsync(
        ICheckpointAgent agent, List<StoredCheckpoint> orphans, CancellationToken cancellationToken)
    {
        var removes = _rules is { Orphans: OrphanRule.Delete, DryRun: false };
        // Somebody may import one at any time: the list takes as long as the volume is large, each removal takes its
        // time, and the view may lag behind.
        var named = new RecentAnswer<HashSet<(string, string)>>(
            async t => Named(
                await cluster.ListAsync<PodCheckpointContent>(t),
                await cluster.ListAsync<ContainerCheckpointContent>(t)),
            Time);
        foreach (var checkpoint in orphans)
        {
            if (removes && (await named.RecentAsync(cancellationToken))
                .Contains((checkpoint.PodUid, checkpoint.CheckpointId)))
            {
                continue;
            }

            await EachAsync(
                $"checkpoint {checkpoint.PodUid}/{checkpoint.CheckpointId}",
                () => OrphanAsync(agent, checkpoint, removes, cancellationToken));
        }
    }

    private async Task OrphanAsync(
        ICheckpointAgent agent, StoredCheckpoint checkpoint, bool removes, CancellationToken cancellationToken)
    {
        if (removes)
        {
            // Of the last seconds the view may know more.
            var key = Indexes.CheckpointKey(
                new CheckpointSource { PodUID = checkpoint.PodUid, CheckpointID = checkpoint.CheckpointId });
            if (cluster.ByIndex(Indexes.PodContentsByCheckpoint, key).Any()
                || cluster.ByIndex(Indexes.ContainerContentsByCheckpoint, key).Any())
            {
                return;
            }

            Leadership.ThrowIfNotLeading();
        }

        ManagerLog.Orphan(
            Logger, $"{checkpoint.PodUid}/{checkpoint.CheckpointId}", checkpoint.Bytes, checkpoint.PodNamespace,
            checkpoint.PodName, removes);
        if (removes)
        {
            await agent.DeleteCheckpointAsync(
                new DeleteCheckpointRequest { PodUid = checkpoint.PodUid, CheckpointId = checkpoint.CheckpointId },
                cancellationToken);
        }
    }

    /// <summary>A list is a hint; the content is told to be lost only when its marker is
    /// looked for and not there.</summary>
    private async Task LostAsync(
        PodCheckpointContent content, ICheckpointAgent agent, CancellationToken cancellationToken)
    {
        var source = content.Spec.Source;
        try
        {
            await agent.VerifyCheckpointAsync(
                new VerifyCheckpointRequest
                {
                    ArtifactUri = ArtifactUri.ForPod(source.PodUID, source.CheckpointID).ToString(),
                    ManifestsOnly = true,
                },
                cancellationToken);
        }
        catch (AgentException exception) when (exception is { IsTerminal: true })
        {
            var now = Time.GetUtcNow().UtcDateTime;
            var status = content.Status! with
            {
                Ready = false,
                Error = new CheckpointError { Time = now, Reason = exception.Reason, Message = exception.Message },
                Conditions = content.Status!.Conditions.With(
                    ConditionTypes.Ready, "False", exception.Reason, exception.Message,
                    content.Metadata.Generation, now),
            };
            await cluster.PatchStatusAsync(content, content.Status, status, cancellationToken);
            events.RecordChanges(content, content.Status!.Conditions, status.Conditions);
        }
    }

    private PodCheckpointContent? ContentOf(PodCheckpoint checkpoint) =>
        cluster.Find<PodCheckpointContent>(ContentKey(checkpoint));

    private static ObjectKey ContentKey(PodCheckpoint checkpoint) => new(null, ContentNames.Of(checkpoint));

    private static HashSet<(string PodUid, string CheckpointId)> Named(
        IEnumerable<PodCheckpointContent> contents, IEnumerable<ContainerCheckpointContent> parts) =>
        contents.Select(c => c.Spec.Source)
            .Concat(parts.Select(c => c.Spec.Source))
            .Select(s => (s.PodUID, s.CheckpointID))
            .ToHashSet();
}
