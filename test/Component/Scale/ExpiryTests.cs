using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Component.Scale;

/// <summary>The operator as it is shipped, on a real API server: what goes by itself when a migration
/// has ended, and what stays.</summary>
internal sealed class ExpiryTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Test]
    public async Task An_ended_migration_goes_when_its_time_is_over_and_its_retained_checkpoint_stays()
    {
        await using var cluster = await ScaleCluster.StartAsync(2, 2);
        await cluster.StartOperatorAsync("operator");
        var created = await cluster.Client.CreateAsync(
            new PodMigration
            {
                Metadata = new V1ObjectMeta { Name = "going", NamespaceProperty = ScaleCluster.Namespace },
                Spec = new PodMigrationSpec
                {
                    PodName = "p0000",
                    TargetNode = "node01", CheckpointRetention = DeletionPolicies.Retain, TtlSecondsAfterFinished = 1,
                },
            },
            CancellationToken.None);
        await cluster.MigrateAsync([1]);
        var migrations = cluster.Migrations;
        try
        {
            await migrations.UntilAsync(() => migrations.Ended == 2, Patience);
            await GoneAsync(cluster, "going");
        }
        catch (TimeoutException)
        {
            Assert.Fail(cluster.Logs());
        }

        var pods = await cluster.Client.ListAsync<V1Pod>(
            new ListOptions { Namespace = ScaleCluster.Namespace }, CancellationToken.None);
        pods.Items.Should().Contain(
            p => p.Metadata.Name!.StartsWith("p0000-") && p.Metadata.DeletionTimestamp == null,
            "the restored pod stays");
        var checkpoint = (await cluster.Client.ListAsync<PodCheckpoint>(
            new ListOptions { Namespace = ScaleCluster.Namespace }, CancellationToken.None))
            .Items.Single(c => c.Spec.PodName == "p0000");
        checkpoint.Metadata.DeletionTimestamp.Should().BeNull();
        (checkpoint.Metadata.OwnerReferences ?? [])
            .Should().NotContain(r => r.Uid == created.Metadata.Uid, "the garbage collector would take it along");

        // The other one has no time of its own until somebody gives it one.
        var other = await cluster.Client.GetAsync<PodMigration>(
            ScaleCluster.Namespace, "m0001", CancellationToken.None);
        other.Status!.Outcome.Should().Be(Outcomes.Restored);
        await cluster.Client.PatchAsync<PodMigration>(
            ScaleCluster.Namespace, "m0001", null, PatchType.Merge, """{"spec":{"ttlSecondsAfterFinished":0}}""",
            "user", CancellationToken.None);
        await GoneAsync(cluster, "m0001");
    }

    private static async Task GoneAsync(ScaleCluster cluster, string name)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while ((await cluster.Client.ListAsync<PodMigration>(
            new ListOptions { Namespace = ScaleCluster.Namespace }, CancellationToken.None))
            .Items.Any(m => m.Metadata.Name == name))
        {
            if (deadline.IsCancellationRequested)
            {
                throw new TimeoutException(name);
            }

            // Another process' work: there is nothing to wait for but time.
            await Task.Delay(50, CancellationToken.None);
        }
    }
}
