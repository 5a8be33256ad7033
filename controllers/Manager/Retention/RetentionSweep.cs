using k8s;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
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

    /// <inheritdoc/>
    public override async Task SweepAsync(CancellationToken cancellationToken)
    {
        foreach (var (checkpoint, rule) in RetentionRules.Choose(cluster.All<PodCheckpoint>(), _rules, Time.GetUtcNow().UtcDateTime))
        {
            events.Record(checkpoint, "Normal", Reasons.Expired, (_rules.DryRun ? "would be removed: " : "is removed: ") + rule);
            if (!_rules.DryRun)
            {
                await cluster.DeleteAsync(checkpoint, graceSeconds: null, cancellationToken);
            }
        }

        // The objects first: what is dumped after that is younger than any orphan.
        var contents = cluster.All<PodCheckpointContent>().ToList();
        var owned = contents.Select(c => c.Spec.Source)
            .Concat(cluster.All<ContainerCheckpointContent>().Select(c => c.Spec.Source))
            .Select(s => (s.PodUID, s.CheckpointID)).ToHashSet();
        if (!agents.Ready().Any())
        {
            return;
        }

        var (agent, stored) = await agents.AskAnyAsync(first: null, Leadership, async a => (a, await a.ListCheckpointsAsync(cancellationToken).ToListAsync(cancellationToken)));
        foreach (var checkpoint in stored)
        {
            if (!owned.Contains((checkpoint.PodUid, checkpoint.CheckpointId))
                && Time.GetUtcNow() - checkpoint.LastWritten.ToDateTimeOffset() > _rules.OrphanAge)
            {
                await OrphanAsync(agent, checkpoint, cancellationToken);
            }
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
                await LostAsync(content, agent, cancellationToken);
            }
        }
    }

    private async Task OrphanAsync(ICheckpointAgent agent, StoredCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        var removes = _rules is { Orphans: OrphanRule.Delete, DryRun: false };
        ManagerLog.Orphan(
            Logger, $"{checkpoint.PodUid}/{checkpoint.CheckpointId}", checkpoint.Bytes, checkpoint.PodNamespace, checkpoint.PodName, removes);
        if (removes)
        {
            await agent.DeleteCheckpointAsync(
                new DeleteCheckpointRequest { PodUid = checkpoint.PodUid, CheckpointId = checkpoint.CheckpointId }, cancellationToken);
        }
    }

    /// <summary>A list is a hint; the content is told to be lost only when its marker is looked for and not there.</summary>
    private async Task LostAsync(PodCheckpointContent content, ICheckpointAgent agent, CancellationToken cancellationToken)
    {
        var source = content.Spec.Source;
        try
        {
            await agent.VerifyCheckpointAsync(
                new VerifyCheckpointRequest
                {
                    ArtifactUri = ArtifactUri.ForPod(source.PodUID, source.CheckpointID).ToString(), ManifestsOnly = true,
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
                    ConditionTypes.Ready, "False", exception.Reason, exception.Message, content.Metadata.Generation, now),
            };
            await cluster.PatchStatusAsync(content, content.Status, status, cancellationToken);
            events.RecordChanges(content, content.Status!.Conditions, status.Conditions);
        }
    }
}
