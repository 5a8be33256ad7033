using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.PodMigrations.Back;
using PodCheckpointing.Manager.PodMigrations.Forward;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>A migration's steps in their order, and its way back: where they are put together.</summary>
internal sealed class MigrationPlan
{
    private readonly MigrationObjects _objects;
    private readonly AgentCalls _calls;
    private readonly SilentAgents _silentAgents = new();
    private readonly CheckpointSettlement _settlement;
    private readonly IMigrationStep[] _steps;
    private readonly IMigrationStep[] _stepsWithAddress;

    public MigrationPlan(
        ICluster cluster, IAgentDirectory agents, LostNodes lostNodes, PendingCalls calls, MigrationSlots slots,
        WorkQueue queue, TimeProvider time)
    {
        _objects = new MigrationObjects(cluster);
        _calls = new AgentCalls(agents, calls, queue);
        _settlement = new CheckpointSettlement(cluster, _objects);
        var nodes = new MigrationNodes(cluster, lostNodes);
        Limits = new MigrationLimits(_objects, _silentAgents, time);

        var capabilities = new NodeCapabilities(_calls);
        var inquiry = new NodeInquiry(cluster, capabilities, _silentAgents);
        var targets = new TargetChoice(cluster, slots, inquiry, time);
        var processes = new SourceProcesses(nodes, _calls, time);
        var restored = new RestoredPod(_objects, nodes);
        IMigrationStep[] first =
        [
            new StopStep(Limits, nodes, _calls),
            new ValidateStep(
                cluster, nodes, new ObjectObstacles(cluster, nodes), inquiry, targets, _silentAgents, time),
        ];
        var receive = new ReceiveStep(cluster, _objects, nodes, new ReceiverImages(capabilities, _calls), _calls);
        var fence = new FenceStep(nodes, _calls);
        var checkpoint = new CheckpointStep(cluster, _objects, nodes, agents, _calls);
        var hold = new HoldAddressStep(_objects, _calls, time);
        IMigrationStep[] last =
        [
            new RestoreStep(_objects, nodes, agents, _calls),
            new KeepWayBackStep(_objects, nodes, restored, agents, _calls),
            new HandOverStep(cluster, _objects, processes, time),
            new RemoveSourceStep(cluster, _objects, nodes, processes, _calls, time),
            new SwitchServiceStep(cluster, time),
            new CompleteStep(restored, time),
        ];
        _steps = [.. first, receive, fence, checkpoint, .. last];
        _stepsWithAddress = [.. first, fence, checkpoint, hold, receive, .. last];

        var removal = new TargetRemoval(cluster, _objects, nodes, _calls, time);
        var address = new AddressRelease(_objects, nodes, _calls);
        WayBack = new WayBack(
            _objects,
            nodes,
            new RollBack(
                _objects, removal, new SourceResumption(cluster, _objects, nodes, _calls), address, time),
            new ColdStart(
                cluster, nodes, removal, address, new SourceEnd(cluster, _objects, nodes, _calls), queue, time));
    }

    public MigrationLimits Limits { get; }

    public WayBack WayBack { get; }

    /// <summary>The steps forward: a target that takes the pod's address along is created only
    /// when the source stands still.</summary>
    public IReadOnlyList<IMigrationStep> StepsOf(MigrationScope scope) =>
        scope.HasBegun(Steps.Hold)
            || (_objects.FindSource(scope) is { } source && PodAddress.IsKept(source)) ? _stepsWithAddress : _steps;

    /// <summary>Settles what is left of a migration that has ended: the agents' answers, and its checkpoint.</summary>
    public Task SettleAsync(PodMigration migration, CancellationToken cancellationToken)
    {
        _calls.Forget(migration.Metadata.Uid!);
        _silentAgents.Forget(migration.Metadata.Uid!);
        return _settlement.SettleAsync(migration, cancellationToken);
    }
}
