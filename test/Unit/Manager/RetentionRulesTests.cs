using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Retention;

namespace PodCheckpointing.Unit.Manager;

[TestFixture]
public sealed class RetentionRulesTests
{
    private static readonly DateTime Now = new(2026, 11, 21, 0, 0, 0, DateTimeKind.Utc);

    [Test]
    public void Without_rules_everything_stays() =>
        Choose(new RetentionOptions(), Checkpoint("a", 900), Checkpoint("b", 1)).Should().BeEmpty();

    [Test]
    public void The_oldest_of_a_pod_go() =>
        Choose(new RetentionOptions { MaxPerPod = 2 }, Checkpoint(
            "a", 3), Checkpoint("b", 2), Checkpoint("c", 1), Checkpoint("d", 9, pod: "other"))
            .Should().Equal("a");

    [Test]
    public void A_namespace_counts_all_its_pods() =>
        Choose(
            new RetentionOptions { MaxPerNamespace = 2 },
            Checkpoint("a", 3), Checkpoint("b", 2, pod: "other"), Checkpoint("c", 1),
            Checkpoint("d", 9, scope: "elsewhere"))
            .Should().Equal("a");

    [Test]
    public void Bytes_are_counted_from_the_youngest_and_the_youngest_stays() =>
        Choose(new RetentionOptions { MaxBytesPerPod = 10 }, Checkpoint(
            "a", 3, size: 4), Checkpoint("b", 2, size: 8), Checkpoint("c", 1, size: 99))
            .Should().Equal("a", "b");

    [Test]
    public void A_smaller_older_one_may_still_fit() =>
        Choose(new RetentionOptions { MaxBytesPerNamespace = 10 }, Checkpoint(
            "a", 3, size: 4), Checkpoint("b", 2, size: 8), Checkpoint("c", 1, size: 5))
            .Should().Equal("b");

    [Test]
    public void Age_counts_from_the_instant_it_was_whole() =>
        Choose(new RetentionOptions { MaxAge = TimeSpan.FromDays(5) }, Checkpoint(
            "a", 6), Checkpoint("b", 5), Checkpoint("c", 4))
            .Should().Equal("a");

    [Test]
    public void What_is_pinned_retained_or_a_migrations_stays_and_takes_its_room()
    {
        var pinned = Checkpoint("pinned", 1) is var p
            ? p with { Metadata = p.Metadata with
            {
                Annotations = new Dictionary<string, string> { [WellKnown.Pinned] = "true" },
            } }
            : null!;
        var retained = Checkpoint("retained", 2) is var r ? r with
        {
            Spec = r.Spec with { DeletionPolicy = DeletionPolicies.Retain },
        } : null!;
        var migrations = Checkpoint("migrations", 9) is var m
            ? m with { Metadata = m.Metadata with
            {
                OwnerReferences = [new V1OwnerReference { Kind = nameof(PodMigration), Name = "m", Controller = true }],
            } }
            : null!;
        var rules = new RetentionOptions { MaxPerPod = 2, MaxAge = TimeSpan.FromHours(1) };

        Choose(rules, pinned, retained, migrations).Should().BeEmpty();
        Choose(rules with { MaxAge = null }, pinned, retained, Checkpoint("third", 3)).Should().Equal("third");
        Choose(rules with { MaxAge = null }, retained, Checkpoint("old", 3), Checkpoint("new", 1))
            .Should().Equal("old");
    }

    [Test]
    public void What_its_content_is_to_retain_stays_and_takes_its_room()
    {
        var content =
            new PodCheckpointContent
            {
                Spec = new PodCheckpointContentSpec { DeletionPolicy = DeletionPolicies.Retain },
            };
        PodCheckpoint[] all = [Checkpoint("retained", 3), Checkpoint("old", 2), Checkpoint("new", 1)];

        RetentionRules
            .Choose(all, c => c.Metadata.Name == "retained"
                ? content
                : null, new RetentionOptions { MaxPerPod = 2 }, Now)
            .Select(e => e.Checkpoint.Metadata.Name).Should().Equal("old");
    }

    [Test]
    public void The_youngest_stays_though_pinned_ones_take_all_the_room()
    {
        var pinned = Checkpoint("pinned", 9) is var p
            ? p with { Metadata = p.Metadata with
            {
                Annotations = new Dictionary<string, string> { [WellKnown.Pinned] = "true" },
            } }
            : null!;

        Choose(new RetentionOptions { MaxPerPod = 1 }, pinned, Checkpoint("new", 1)).Should().BeEmpty();
    }

    [Test]
    public void What_is_not_whole_or_on_its_way_out_is_not_counted()
    {
        var unfinished =
            Checkpoint("unfinished", 1) is var u ? u with { Status = u.Status! with { Ready = false } } : null!;
        var leaving =
            Checkpoint("leaving", 1) is var l ? l with
            {
                Metadata = l.Metadata with { DeletionTimestamp = Now },
            } : null!;

        Choose(new RetentionOptions { MaxPerPod = 1 }, unfinished, leaving, Checkpoint("a", 5)).Should().BeEmpty();
    }

    [Test]
    public void Each_goes_once_and_the_result_keeps_every_limit([Range(1, 50)] int seed)
    {
        var random = new Random(seed);
        var all = Enumerable.Range(0, random.Next(40)).Select(i => Checkpoint(
            $"c{i}", random.Next(100), size: random.Next(20), pod: $"p{random.Next(3)}", scope: $"n{random.Next(2)}"))
            .ToArray();
        var rules = new RetentionOptions
        {
            MaxPerPod = random.Next(1, 8),
            MaxPerNamespace = random.Next(1, 12), MaxAge = TimeSpan.FromDays(random.Next(100)),
            MaxBytesPerPod = random.Next(1, 80), MaxBytesPerNamespace = random.Next(1, 120),
        };

        var gone = Choose(rules, all).ToList();

        gone.Should().OnlyHaveUniqueItems();
        var left = all.Where(c => !gone.Contains(c.Metadata.Name!)).ToList();
        left.GroupBy(c => (c.Metadata.NamespaceProperty, c.Spec.PodName)).Where(g => g.Count() > rules.MaxPerPod)
            .Should().BeEmpty();
        left.GroupBy(c => c.Metadata.NamespaceProperty).Where(g => g.Count() > rules.MaxPerNamespace)
            .Should().BeEmpty();
        // One alone may be larger than the limit: the youngest stays.
        left.GroupBy(c => (c.Metadata.NamespaceProperty, c.Spec.PodName))
            .Where(g => g.Count() > 1 && g.Sum(c => c.Status!.Size) > rules.MaxBytesPerPod)
            .Should().BeEmpty();
        left.GroupBy(c => c.Metadata.NamespaceProperty)
            .Where(g => g.Count() > 1 && g.Sum(c => c.Status!.Size) > rules.MaxBytesPerNamespace)
            .Should().BeEmpty();
        left.Where(c => Now - c.Status!.CreationTime > rules.MaxAge).Should().BeEmpty();
        Choose(rules, [.. left]).Should().BeEmpty("a second look finds nothing more");
    }

    private static IEnumerable<string> Choose(RetentionOptions rules, params PodCheckpoint[] checkpoints) =>
        RetentionRules.Choose(checkpoints, _ => null, rules, Now).Select(e => e.Checkpoint.Metadata.Name!);

    private static PodCheckpoint Checkpoint(
        string name, int days, long size = 1, string pod = "p", string scope = "n") => new()
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = scope, Uid = $"{scope}/{name}" },
        Spec = new PodCheckpointSpec { PodName = pod },
        Status = new PodCheckpointStatus { Ready = true, Size = size, CreationTime = Now.AddDays(-days) },
    };
}
