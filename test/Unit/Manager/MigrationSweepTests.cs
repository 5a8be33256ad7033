using System.Net;
using System.Text.Json.Nodes;
using FluentAssertions;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Manager.Retention;
using PodCheckpointing.Runtime;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>Migrations that have ended, and whose time is over.</summary>
internal sealed class MigrationSweepTests
{
    private static readonly DateTime Ended = DateTime.UnixEpoch;

    [TestCase(null, 100000, false)]
    [TestCase(0, 0, true)]
    [TestCase(60, 59, false)]
    [TestCase(60, 60, true)]
    [TestCase(int.MaxValue, 100000, false)]
    public void Goes_when_its_time_is_over_and_not_before(int? ttl, int after, bool due) =>
        MigrationExpiry.IsDue(Migration(ttl), otherwise: null, Ended.AddSeconds(after)).Should().Be(due);

    [TestCase(null, 60, 59, false)]
    [TestCase(null, 60, 60, true)]
    [TestCase(null, 0, 0, true)]
    [TestCase(3600, 60, 60, false)]
    [TestCase(30, 60, 30, true)]
    public void The_operators_time_is_that_of_those_that_have_none_of_their_own(
        int? ttl, int otherwise, int after, bool due) =>
        MigrationExpiry.IsDue(Migration(ttl), otherwise, Ended.AddSeconds(after)).Should().Be(due);

    [Test]
    public async Task The_sweep_takes_the_operators_time()
    {
        var cluster = new Views { Seen = [Migration(null)], Live = [Migration(null)] };

        await SweepAsync(cluster, deletes: false);
        await SweepAsync(cluster, deletes: true, otherwise: 0);
    }

    [TestCase(Outcomes.Restored, true)]
    [TestCase(Outcomes.ColdStarted, true)]
    [TestCase(Outcomes.RolledBack, true)]
    [TestCase(Outcomes.WouldMigrate, true)]
    [TestCase(Outcomes.WouldFail, true)]
    [TestCase(null, true)]
    [TestCase(Outcomes.SourceGone, true)]
    [TestCase(Outcomes.Lost, false)]
    public void Goes_when_nobody_has_to_do_anything_about_it(string? outcome, bool due)
    {
        var migration = Migration(0);

        MigrationExpiry
            .IsDue(migration with { Status = migration.Status! with { Outcome = outcome } }, otherwise: null, Ended)
            .Should().Be(due);
    }

    [TestCaseSource(nameof(Others))]
    public void Stays(PodMigration migration) =>
        MigrationExpiry.IsDue(migration, otherwise: 0, Ended.AddYears(1)).Should().BeFalse();

    [Test]
    public async Task Deletes_the_version_that_the_server_has()
    {
        var cluster = new Views { Seen = [Migration(0)], Live = [Migration(0, version: "8")] };

        await SweepAsync(cluster);

        cluster.Deleted.Should().Equal("m 8");
    }

    [Test]
    public async Task Deletes_nothing_by_a_view_that_lags_behind()
    {
        var seen = Migration(0);
        await SweepAsync(new Views { Seen = [seen], Live = [] }, deletes: false);
        await SweepAsync(new Views { Seen = [seen], Live = [Migration(3600)] }, deletes: false);
        // A namesake that is under way, and one that has ended, too.
        await SweepAsync(new Views { Seen = [seen], Live = [Running()] }, deletes: false);
        await SweepAsync(new Views { Seen = [seen], Live = [Migration(0, uid: "another")] }, deletes: false);
        // The view has no conditions of those that have ended.
        var stalled = seen.Status!.Conditions.With(ConditionTypes.Stalled, "True", Reasons.SourceHeld, "", 1, Ended);
        await SweepAsync(
            new Views { Seen = [seen], Live = [seen with { Status = seen.Status with { Conditions = stalled } }] },
            deletes: false);
    }

    [TestCase("migration-uid", false)]
    [TestCase(null, true)]
    public async Task A_checkpoint_that_is_still_its_part_is_not_taken_along(string? owner, bool deletes)
    {
        var migration = Migration(0);
        var checkpoint = new PodCheckpoint
        {
            Metadata = new V1ObjectMeta
            {
                Name = MigrationScope.CheckpointNameFor(migration), NamespaceProperty = "n", Uid = "c",
                OwnerReferences = owner is null ? null : [Owners.ControllerReference(migration)],
            },
        };

        await SweepAsync(new Views { Seen = [migration], Live = [migration, checkpoint] }, deletes);
        await SweepAsync(
            new Views
            {
                Seen = [migration],
                Live = [migration, checkpoint with
                {
                    Metadata = checkpoint.Metadata with { DeletionTimestamp = Ended },
                }],
            },
            deletes: true);
    }

    [TestCase(HttpStatusCode.Forbidden)]
    [TestCase(HttpStatusCode.Conflict)]
    [TestCase(HttpStatusCode.InternalServerError)]
    public async Task One_that_the_server_refuses_to_delete_holds_up_no_other(HttpStatusCode code)
    {
        var cluster = new Views
        {
            Seen = [Migration(0), Migration(0, name: "other")],
            Live = [Migration(0), Migration(0, name: "other")], Refused = "m", With = code,
        };

        await SweepAsync(cluster);

        cluster.Deleted.Should().Equal("other 7");
    }

    private static IEnumerable<TestCaseData> Others()
    {
        var ended = Migration(0);
        yield return new TestCaseData(Running()).SetArgDisplayNames("under way");
        yield return new TestCaseData(ended with { Status = null }).SetArgDisplayNames("not begun");
        yield return new TestCaseData(ended with { Status = new PodMigrationStatus { Outcome = Outcomes.Left } })
            .SetArgDisplayNames("left as it is");
        yield return new TestCaseData(ended with { Metadata = ended.Metadata with { DeletionTimestamp = Ended } })
            .SetArgDisplayNames("on its way out");
        yield return new TestCaseData(
            ended with { Metadata = ended.Metadata with { Finalizers = [WellKnown.MigrationFinalizer] } })
            .SetArgDisplayNames("not settled");
    }

    private static async Task SweepAsync(Views cluster, bool? deletes = null, int? otherwise = null)
    {
        var options = Options.Create(
            new OperatorOptions { Migrations = new MigrationOptions { TtlSecondsAfterFinished = otherwise } });
        var sweep = new MigrationSweep(
            cluster, new SoleLeader(), [], options, new HandTime(), NullLogger<MigrationSweep>.Instance);
        await sweep.SweepAsync(CancellationToken.None);
        if (deletes is { } wanted)
        {
            cluster.Deleted.Should().HaveCount(wanted ? 1 : 0);
        }
    }

    private static PodMigration Migration(
        int? ttl, string name = "m", string uid = "migration-uid", string version = "7") => new()
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = "n", Uid = uid, ResourceVersion = version },
        Spec = new PodMigrationSpec { PodName = "p", TtlSecondsAfterFinished = ttl },
        Status = new PodMigrationStatus
        {
            Phase = MigrationPhases.Completed,
            Outcome = Outcomes.Restored,
            CompletionTime = Ended,
        },
    };

    private static PodMigration Running() =>
        Migration(0) with { Status = new PodMigrationStatus { Phase = MigrationPhases.Checkpointing } };

    /// <summary>What an informer has seen, and what the server has.</summary>
    private sealed class Views : UnaskedCluster
    {
        public IKubernetesObject<V1ObjectMeta>[] Seen { get; init; } = [];

        public IKubernetesObject<V1ObjectMeta>[] Live { get; init; } = [];

        public string? Refused { get; init; }

        public HttpStatusCode With { get; init; }

        public List<string> Deleted { get; } = [];

        public override IEnumerable<T> All<T>()
            where T : class => Seen.OfType<T>();

        public override Task<T?> ReadAsync<T>(ObjectKey key, CancellationToken cancellationToken)
            where T : class => Task.FromResult(Live.OfType<T>().FirstOrDefault(o => ObjectKey.Of(o) == key));

        public override Task<bool> DeleteVersionAsync<T>(T item, CancellationToken cancellationToken)
            where T : class
        {
            if (item.Metadata.Name == Refused)
            {
                throw new KubernetesException(With, new V1Status { Message = "a webhook says no" });
            }

            Deleted.Add($"{item.Metadata.Name} {item.Metadata.ResourceVersion}");
            return Task.FromResult(true);
        }
    }
}
