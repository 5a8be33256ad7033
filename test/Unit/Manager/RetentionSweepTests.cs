using FluentAssertions;
using Google.Protobuf.WellKnownTypes;
using k8s.Models;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.Retention;
using PodCheckpointing.Runtime;
using PodCheckpointing.Simulation;

namespace PodCheckpointing.Unit.Manager;

/// <summary>What a sweep removes, and what it must not.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class RetentionSweepTests : IDisposable
{
    private const string Old = "20261121t003412z-7f3a9c";
    private const string Other = "20261121t003412z-000001";
    private const string PodUid = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    private readonly MigrationWorld _agents = new();
    private readonly ServedCluster _cluster;
    private readonly RetentionOptions _rules = new() { MaxPerPod = 1 };
    private readonly Notes _notes = new();
    private readonly Leader _leader = new();
    private readonly RetentionSweep _sweep;

    public RetentionSweepTests()
    {
        _agents.Time.Advance(TimeSpan.FromDays(100));
        _agents.Answer(new DeleteCheckpointResponse());
        _cluster = new ServedCluster(new SimulatedServer(_agents.Time, new Random(1)));
        _sweep = new RetentionSweep(
            _cluster, _agents, _agents, _leader, [], Options.Create(new OperatorOptions { Retention = _rules }),
            _agents.Time, _notes);
    }

    public void Dispose() => _agents.Dispose();

    [Test]
    public async Task One_that_cannot_be_removed_holds_up_no_other_and_is_told_once()
    {
        Put("first", days: 3);
        Put("second", days: 2);
        Put("third", days: 1);
        PutOrphan(Old);
        _rules.Orphans = OrphanRule.Delete;
        _cluster.Refused = "first";

        await _sweep.SweepAsync(CancellationToken.None);
        await _sweep.SweepAsync(CancellationToken.None);

        Left.Should().Equal("first", "third");
        _agents.Removed.Should().Contain($"{PodUid}/{Old}");
        _notes.Lines.Where(l => l.Contains("n/first"))
            .Should().ContainSingle().Which.Should().Contain("a webhook says no");
    }

    [Test]
    public async Task What_has_been_pinned_is_kept_though_it_is_not_seen_yet()
    {
        var old = Put("old", days: 2);
        Put("new", days: 1);
        _cluster.Freeze<PodCheckpoint>();
        await _cluster.AnnotateAsync(
            old, new Dictionary<string, string> { [WellKnown.Pinned] = "true" }, CancellationToken.None);

        await _sweep.SweepAsync(CancellationToken.None);
        Left.Should().Equal("old", "new");
        _agents.Events.Should().BeEmpty("nothing is removed");

        _cluster.CatchUp();
        await _sweep.SweepAsync(CancellationToken.None);
        Left.Should().Equal("old", "new");
    }

    [Test]
    public async Task What_its_content_is_to_retain_is_kept_though_it_is_not_seen_yet()
    {
        var old = Put("old", days: 2);
        Put("new", days: 1);
        _cluster.Freeze<PodCheckpointContent>();
        PutContent($"pcpc-{old.Metadata.Uid}", Old, DeletionPolicies.Retain);

        await _sweep.SweepAsync(CancellationToken.None);

        Left.Should().Equal("old", "new");
    }

    [Test]
    public async Task What_a_rule_names_is_removed_and_told()
    {
        Put("old", days: 2);
        Put("new", days: 1);

        await _sweep.SweepAsync(CancellationToken.None);

        Left.Should().Equal("new");
        _agents.Events.Should().ContainSingle().Which.Reason.Should().Be(Reasons.Expired);
    }

    [Test]
    public async Task Bytes_that_are_being_imported_are_no_orphans_though_that_is_not_seen_yet()
    {
        _rules.Orphans = OrphanRule.Delete;
        PutOrphan(Old);
        PutOrphan(Other);
        _cluster.Freeze<PodCheckpointContent>();
        PutContent("import", Old);

        await _sweep.SweepAsync(CancellationToken.None);

        _agents.Removed.Should().Equal($"{PodUid}/{Other}");
    }

    [Test]
    public async Task Many_orphans_take_one_list_of_each_kind_and_none_that_is_imported_meanwhile()
    {
        _rules.Orphans = OrphanRule.Delete;
        foreach (var i in Enumerable.Range(0, 50))
        {
            PutOrphan($"20261121t003412z-{i:x6}");
        }

        _agents.OnRemoved = () =>
        {
            if (_agents.Removed.Count == 10)
            {
                PutContent("import", "20261121t003412z-000020");
            }
        };

        await _sweep.SweepAsync(CancellationToken.None);

        _cluster.Lists.Should().Be(2);
        _agents.Removed.Should().HaveCount(49).And.NotContain($"{PodUid}/20261121t003412z-000020");
    }

    [Test]
    public async Task What_is_imported_while_others_are_removed_is_no_orphan_though_that_is_not_seen_yet(
        [Values] bool part)
    {
        _rules.Orphans = OrphanRule.Delete;
        PutOrphan(Old);
        PutOrphan(Other);
        _cluster.Freeze<PodCheckpointContent>();
        _cluster.Freeze<ContainerCheckpointContent>();
        _agents.OnRemoved = () =>
        {
            _agents.Time.Advance(TimeSpan.FromSeconds(10));
            if (part)
            {
                _cluster.Create(new ContainerCheckpointContent
                {
                    Metadata = new V1ObjectMeta { Name = "part" },
                    Spec = new ContainerCheckpointContentSpec
                    {
                        Source = new CheckpointSource { PodUID = PodUid, CheckpointID = Other, ContainerName = "c" },
                    },
                });
            }
            else
            {
                PutContent("import", Other);
            }
        };

        await _sweep.SweepAsync(CancellationToken.None);

        _agents.Removed.Should().Equal($"{PodUid}/{Old}");
    }

    [Test]
    public async Task Without_orphans_the_server_is_asked_for_no_list()
    {
        _rules.Orphans = OrphanRule.Delete;
        PutOrphan(Old);
        PutContent("known", Old);

        await _sweep.SweepAsync(CancellationToken.None);

        _cluster.Lists.Should().Be(0);
    }

    [Test]
    public async Task Who_does_not_lead_any_more_removes_nothing_more()
    {
        _rules.Orphans = OrphanRule.Delete;
        PutOrphan(Old);
        PutOrphan(Other);
        _leader.LeadsUntil = () => _agents.Removed.Count > 0;

        await FluentActions.Awaiting(() => _sweep.SweepAsync(CancellationToken.None))
            .Should().ThrowAsync<OperationCanceledException>();

        _agents.Removed.Should().ContainSingle();
    }

    [TestCase(Reasons.AgentUnavailable)]
    [TestCase(Reasons.StoreUnavailable)]
    public async Task An_agent_that_reaches_nothing_is_asked_once_and_not_for_each(string reason)
    {
        _rules.Orphans = OrphanRule.Delete;
        PutOrphan(Old);
        PutOrphan(Other);
        _agents.Refuse<DeleteCheckpointResponse>(new AgentException(reason, "no", isTerminal: false));

        await FluentActions.Awaiting(() => _sweep.SweepAsync(CancellationToken.None))
            .Should().ThrowAsync<AgentException>();

        _agents.Removed.Should().ContainSingle();
    }

    private IEnumerable<string> Left => _cluster.Server.All<PodCheckpoint>().Select(c => c.Metadata.Name!);

    private PodCheckpoint Put(string name, int days) => _cluster.Server.PatchStatus(
        _cluster.Create(new PodCheckpoint
        {
            Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = "n" },
            Spec = new PodCheckpointSpec { PodName = "p" },
        }),
        CheckpointStage.Status(
            new PodCheckpointStatus { Ready = true, CreationTime = _agents.Time.GetUtcNow().UtcDateTime
                .AddDays(-days) }));

    private void PutOrphan(string id) => _agents.Stored.Add(new StoredCheckpoint
    {
        PodUid = PodUid,
        CheckpointId = id, IsSealed = true, LastWritten = Timestamp.FromDateTimeOffset(DateTimeOffset.UnixEpoch),
    });

    private void PutContent(string name, string id, string policy = DeletionPolicies.Delete) =>
        _cluster.Create(new PodCheckpointContent
        {
            Metadata = new V1ObjectMeta { Name = name },
            Spec = new PodCheckpointContentSpec
            {
                DeletionPolicy = policy,
                Source = new CheckpointSource { PodUID = PodUid, CheckpointID = id },
            },
        });

    private sealed class Leader : ILeadership
    {
        public Func<bool> LeadsUntil { get; set; } = () => false;

        public Task Acquired => Task.CompletedTask;

        public CancellationToken Lost => CancellationToken.None;

        public bool Leads => !LeadsUntil();
    }

    private sealed class Notes : ILogger<RetentionSweep>
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter) =>
            Lines.Add(formatter(state, exception));
    }
}
