using System.Text.Json.Nodes;
using FluentAssertions;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>Who may begin, who waits, and who is next.</summary>
public sealed class MigrationSlotsTests
{
    private readonly OperatorOptions _options = new();
    private readonly List<string> _woken = [];
    private Objects _cluster = null!;
    private MigrationSlots _slots = null!;
    private int _age;

    [SetUp]
    public void Begin()
    {
        (_options.Migrations, _cluster, _age) = (new MigrationOptions(), new Objects(), 0);
        _woken.Clear();
        _slots = new MigrationSlots(_cluster, Options.Create(_options));
    }

    [Test]
    public async Task As_many_as_the_cluster_may_have_begin_and_the_next_waits_for_the_end_of_one()
    {
        Limits(cluster: 3, outbound: 9, inbound: 9);
        foreach (var name in new[] { "a", "b", "c" })
        {
            (await AskAsync(name, "n1", "n2")).Target.Should().Be("n2");
        }

        var waiting = await AskAsync("d", "n1", "n2");
        waiting.Target.Should().BeNull();
        waiting.Message
            .Should().Contain("3 of 3 migrations in the cluster").And.Contain("Operator:Migrations:ParallelPerCluster");
        _woken.Should().BeEmpty();

        _slots.Release(Key("b"));
        _woken.Should().Equal("d");
        (await AskAsync("d", "n1", "n2")).Target.Should().Be("n2");
        (await AskAsync("e", "n3", "n4")).Target.Should().BeNull("three are under way again");
    }

    [Test]
    public async Task A_namespace_that_has_all_that_it_may_have_keeps_nobody_else_waiting()
    {
        Limits(cluster: 9, outbound: 3, inbound: 9);
        _options.Migrations.ParallelPerNamespace = 2;
        await AskAsync("a", "n1", "n2");
        await AskAsync("b", "n1", "n2");

        (await AskAsync("c", "n1", "n2")).Message.Should()
            .Contain("2 of 2 migrations in namespace ns").And.Contain("Operator:Migrations:ParallelPerNamespace");
        for (var i = 0; i <= MigrationSlots.MostOvertakes; i++)
        {
            (await AskAsync($"other-{i}", "n1", "n2", "elsewhere")).Target.Should().Be("n2");
            _slots.Release(new ObjectKey("elsewhere", $"other-{i}"));
        }

        (await AskAsync("late", "n1", "n2", "elsewhere")).Target.Should().Be("n2", "nothing is kept for c");
        _slots.Release(new ObjectKey("elsewhere", "late"));
        _woken.Should().BeEmpty();
        _slots.Release(Key("a"));
        _woken.Should().Equal("c");
        (await AskAsync("c", "n1", "n2")).Target.Should().Be("n2");
    }

    [Test]
    public async Task A_node_sends_and_takes_so_many_and_others_need_not_wait_for_it()
    {
        Limits(cluster: 9, outbound: 2, inbound: 1);
        await AskAsync("a", "n1", "n2");
        (await AskAsync("b", "n1", "n2")).Message
            .Should().Contain("1 of 1 migrations to node n2").And.Contain("ParallelInboundPerNode");
        await AskAsync("c", "n1", "n3");
        (await AskAsync("d", "n1", "n4")).Message
            .Should().Contain("2 of 2 migrations away from node n1").And.Contain("ParallelOutboundPerNode");
        (await AskAsync("e", "n2", "n1")).Target.Should().Be("n1", "n1 takes none yet, and n2 sends none");
    }

    [Test]
    public async Task The_oldest_is_next_whoever_asked_first()
    {
        Limits(cluster: 1, outbound: 9, inbound: 9);
        await AskAsync("first", "n1", "n2");
        var (older, younger) = (Request("older", "n1", "n2"), Request("younger", "n1", "n2"));
        await _slots.AskAsync(younger, default);
        await _slots.AskAsync(older, default);

        _slots.Release(Key("first"));
        _woken.Should().Equal("older");
        _slots.Release(Key("older"));
        _woken.Should().Equal("older", "younger");
    }

    [Test]
    public async Task Asking_again_takes_no_second_slot_and_the_end_of_one_that_waits_gives_none_away()
    {
        Limits(cluster: 2, outbound: 9, inbound: 9);
        var one = Request("one", "n1", "n2");
        await _slots.AskAsync(one, default);
        await _slots.AskAsync(one, default);
        await AskAsync("two", "n1", "n2");
        await AskAsync("three", "n1", "n2");
        await AskAsync("four", "n1", "n2");

        _slots.Release(Key("three"));
        _slots.Release(Key("three"));
        _woken.Should().BeEmpty("nothing of what is under way has ended");
        _slots.Release(Key("one"));
        _woken.Should().Equal("four");
    }

    [Test]
    public async Task One_that_needs_two_busy_nodes_at_once_is_not_passed_for_ever()
    {
        Limits(cluster: 100, outbound: 1, inbound: 1);
        await AskAsync("sends", "n1", "x");
        await AskAsync("takes", "y", "n2");
        var patient = Request("patient", "n1", "n2");
        (await _slots.AskAsync(patient, default)).Target.Should().BeNull();
        var (busy, passed) = (new Queue<string>(["sends", "takes"]), 0);
        for (var i = 0; i < 100 && !_woken.Contains("patient"); i++)
        {
            // Whoever ends leaves one node free; a younger one wants just that.
            var ends = busy.Dequeue();
            var (source, target) = i % 2 == 0 ? ("n1", "x") : ("y", "n2");
            await AskAsync($"young{i}", source, target);
            _slots.Release(Key(ends));
            if (_woken.Contains($"young{i}"))
            {
                passed++;
            }

            busy.Enqueue($"young{i}");
        }

        _woken.Should().Contain("patient");
        passed.Should().BeInRange(MigrationSlots.MostOvertakes, MigrationSlots.MostOvertakes + 2);
    }

    [Test]
    public async Task Without_a_wanted_target_it_goes_where_there_is_room()
    {
        Limits(cluster: 9, outbound: 9, inbound: 1);
        foreach (var node in new[] { "n1", "n2", "n3" })
        {
            _cluster.Add(new V1Node
            {
                Metadata = new V1ObjectMeta { Name = node },
                Status = new V1NodeStatus { Conditions = [new V1NodeCondition { Type = "Ready", Status = "True" }] },
            });
        }

        (await AskAsync("a", "n1", target: null)).Target.Should().Be("n2");
        (await AskAsync("b", "n1", target: null)).Target.Should().Be("n3");
        (await AskAsync("c", "n1", target: null)).Message.Should().Contain("each node that could be the target");

        _slots.Release(Key("a"));
        _woken.Should().Equal("c");
        (await AskAsync("c", "n1", target: null)).Target.Should().Be("n2");
    }

    [Test]
    public async Task What_it_was_told_is_told_anew_when_it_is_not_so_any_more()
    {
        Limits(cluster: 2, outbound: 1, inbound: 9);
        await AskAsync("a", "n1", "n2");
        await AskAsync("b", "n3", "n2");
        var waiting = Request("w", "n1", "n2");
        (await _slots.AskAsync(waiting, default)).Message.Should().Contain("in the cluster");

        _slots.Release(Key("b"));
        _woken.Should().Equal("w");
        (await _slots.AskAsync(waiting, default)).Message.Should().Contain("away from node n1");
        await AskAsync("c", "n4", "n2");
        (await _slots.AskAsync(waiting, default)).Message.Should().Contain("away from node n1", "it is so still");
        _woken.Should().Equal("w");
    }

    [Test]
    public async Task Another_life_of_the_operator_goes_by_the_server_and_not_by_what_its_informer_has_seen()
    {
        Limits(cluster: 2, outbound: 9, inbound: 9);
        _cluster.Listed.Add(Migration("under-way", "n2") with { Status = Validated("n1", "n2") });
        _cluster.Listed.Add(
            Migration("ended", "n2") with
            {
                Status = Validated("n1", "n2") with { CompletionTime = DateTime.UnixEpoch },
            });
        var old = Migration("waits", "n2") with
        {
            Status = new PodMigrationStatus { Conditions = [Condition("Unknown", Reasons.WaitingForSlot)] },
        };
        _cluster.Listed.Add(old);
        _cluster.Add(new V1Pod
        {
            Metadata = new V1ObjectMeta { Name = old.Spec.PodName, NamespaceProperty = "ns" },
            Spec = new V1PodSpec { NodeName = "n1" },
        });

        (await AskAsync("young", "n1", "n2")).Target
            .Should().BeNull("one is under way, and an older one has waited before");
        (await _slots.AskAsync(SlotRequest.Of(
            old, _cluster.Find<V1Pod>(new ObjectKey("ns", old.Spec.PodName))!, _cluster, () => { }), default))
            .Target.Should().Be("n2");
        _cluster.Lists.Should().Be(1);
    }

    [Test]
    public async Task A_namesake_does_not_inherit_the_slot()
    {
        Limits(cluster: 1, outbound: 9, inbound: 9);
        await AskAsync("a", "n1", "n2");
        await AskAsync("b", "n1", "n2");
        (await AskAsync("a", "n1", "n2")).Target.Should().BeNull("it is another one, and younger than b");
        _woken.Should().Equal("b");
    }

    private void Limits(int cluster, int outbound, int inbound) =>
        (
            _options.Migrations.ParallelPerCluster,
            _options.Migrations.ParallelOutboundPerNode,
            _options.Migrations.ParallelInboundPerNode)
            = (cluster, outbound, inbound);

    private static ObjectKey Key(string name) => new("ns", name);

    private Task<SlotAnswer> AskAsync(string name, string source, string? target, string space = "ns") =>
        _slots.AskAsync(Request(name, source, target, space), default);

    private SlotRequest Request(string name, string source, string? target, string space = "ns") => SlotRequest.Of(
        Migration(name, target, space), new V1Pod { Spec = new V1PodSpec { NodeName = source } }, _cluster,
        () => _woken.Add(name));

    private PodMigration Migration(string name, string? target, string space = "ns") => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = name, NamespaceProperty = space,
            Uid = Guid.NewGuid().ToString(), CreationTimestamp = DateTime.UnixEpoch.AddSeconds(_age++),
        },
        Spec = new PodMigrationSpec { PodName = "pod-" + name, TargetNode = target },
    };

    private static PodMigrationStatus Validated(string source, string target) => new()
    {
        SourceNode = source, TargetNode = target, Conditions = [Condition("True", Reasons.Succeeded)],
    };

    private static V1Condition Condition(string status, string reason) =>
        new() { Type = ConditionTypes.Validated, Status = status, Reason = reason };

    /// <summary>What an informer has seen, and what the server has.</summary>
    internal sealed class Objects : UnaskedCluster
    {
        private readonly List<IKubernetesObject<V1ObjectMeta>> _seen = [];

        public List<PodMigration> Listed { get; } = [];

        public int Lists { get; private set; }

        public void Add(IKubernetesObject<V1ObjectMeta> item) => _seen.Add(item);

        public void Remove<T>(ObjectKey key)
            where T : class, IKubernetesObject<V1ObjectMeta> => _seen.RemoveAll(i => i is T && ObjectKey.Of(i) == key);

        public override T? Find<T>(ObjectKey key)
            where T : class => All<T>().FirstOrDefault(i => ObjectKey.Of(i) == key);

        public override IEnumerable<T> All<T>()
            where T : class => _seen.OfType<T>();

        public override Task<IReadOnlyList<T>> ListAsync<T>(CancellationToken cancellationToken)
            where T : class
        {
            Lists++;
            return Task.FromResult<IReadOnlyList<T>>([.. Listed.Cast<T>()]);
        }

        public override Task<T?> ReadAsync<T>(ObjectKey key, CancellationToken cancellationToken)
            where T : class => Task.FromResult(Find<T>(key));

        public override Task PatchStatusAsync<T, TStatus>(
            T item, TStatus? old, TStatus status, CancellationToken cancellationToken)
            where T : class
            where TStatus : default
        {
            var migration = (PodMigration)(object)item;
            _seen.Remove(migration);
            _seen.Add(migration with { Status = (PodMigrationStatus)(object)status! });
            return Task.CompletedTask;
        }
    }
}
