using NUnit.Framework;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Unit.Manager;

/// <summary>Each test in a world of its own, whose migration has come as far as the test says
/// (<see cref="MigrationWorld.HasCome"/>).</summary>
public abstract class MigrationTests
{
    // The conditions that hold by then.
    protected static readonly string[] Prepared = [ConditionTypes.Validated, ConditionTypes.TargetPrepared];
    protected static readonly string[] Fenced = [.. Prepared, ConditionTypes.SourceFenced];
    protected static readonly string[] Dumped = [.. Fenced, ConditionTypes.Checkpointed];
    protected static readonly string[] Verified = [.. Dumped, ConditionTypes.Restored, ConditionTypes.RestoreVerified];

    private protected MigrationWorld _world = null!;

    [SetUp]
    public void MakeWorld() => _world = new MigrationWorld();

    [TearDown]
    public void RemoveWorld() => _world.Dispose();
}
