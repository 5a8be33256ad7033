using FluentAssertions;
using k8s.Models;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>Many migrations that come, begin, end, are deleted, and an operator that dies, in
/// any order that a seed gives.</summary>
public sealed class MigrationSlotsRandomTests
{
    private const int Most = 60;

    [Test]
    public async Task In_any_order_of_events_no_limit_is_exceeded_and_nobody_waits_for_ever([Range(1, 50)] int seed)
    {
        var random = new Random(seed);
        var limits = new MigrationOptions
        {
            ParallelPerCluster = random.Next(1, 8),
            ParallelOutboundPerNode = random.Next(1, 4), ParallelInboundPerNode = random.Next(1, 4),
        };
        var run = new Run(random, limits);
        for (var step = 0; step < 600; step++)
        {
            await run.StepAsync();
        }

        await run.FinishAsync();
        run.Waiting.Should().BeEmpty();
        run.Ended.Should().Be(Most);
    }

    /// <summary>Plays what the reconciler does: asks when it is woken, says Validated later, tells the end.</summary>
    private sealed class Run(Random random, MigrationOptions limits)
    {
        private readonly List<PodMigration> _granted = [];
        private readonly List<PodMigration> _underWay = [];
        private readonly HashSet<string> _woken = [];
        private MigrationSlotsTests.Objects _cluster = new();
        private MigrationSlots? _slots;
        private int _created;

        public List<PodMigration> Waiting { get; } = [];

        public int Ended { get; private set; }

        public async Task StepAsync()
        {
            switch (random.Next(10))
            {
                case < 3 when _created < Most:
                    Create();
                    break;
                case 3 when _granted.Count > 0:
                    var validated = Take(_granted);
                    _underWay.Add(validated);
                    break;
                case 4 when _underWay.Count > 0:
                    End(Take(_underWay));
                    break;
                case 5 when Waiting.Count > 0 && random.Next(8) == 0:
                    // Deleted while it waits.
                    End(Take(Waiting));
                    break;
                case 6 when random.Next(15) == 0:
                    Die();
                    break;
                default:
                    await AskAsync(Waiting.Where(m => _woken.Contains(m.Metadata.Name!)).ToList());
                    break;
            }
        }

        /// <summary>No more come and nobody dies: only what a slot wakes may be needed
        /// to bring all to their end.</summary>
        public async Task FinishAsync()
        {
            while (_created < Most)
            {
                Create();
            }

            for (var left = 10_000; left > 0 && Waiting.Count + _granted.Count + _underWay.Count > 0; left--)
            {
                await AskAsync(Waiting.Where(m => _woken.Contains(m.Metadata.Name!)).ToList());
                _underWay.AddRange(_granted);
                _granted.Clear();
                if (_underWay.Count > 0)
                {
                    End(Take(_underWay));
                }
            }
        }

        private void Create()
        {
            var (source, target) = (random.Next(5), random.Next(4));
            Waiting.Add(new PodMigration
            {
                Metadata = new V1ObjectMeta
                {
                    Name = $"m{_created:d2}", NamespaceProperty = "ns",
                    Uid = $"u{_created}", CreationTimestamp = DateTime.UnixEpoch.AddSeconds(_created / 3),
                },
                Spec = new PodMigrationSpec
                {
                    PodName = $"n{source}",
                    TargetNode = $"n{(target >= source ? target + 1 : target)}",
                },
            });
            _woken.Add($"m{_created++:d2}");
        }

        private async Task AskAsync(List<PodMigration> asking)
        {
            _slots ??= new MigrationSlots(_cluster, Options.Create(new OperatorOptions { Migrations = limits }));
            foreach (var migration in asking)
            {
                _woken.Remove(migration.Metadata.Name!);
                var pod = new V1Pod { Spec = new V1PodSpec { NodeName = migration.Spec.PodName } };
                var answer = await _slots.AskAsync(
                    SlotRequest.Of(migration, pod, _cluster, () => _woken.Add(migration.Metadata.Name!)), default);
                if (answer.Target is not null)
                {
                    Waiting.Remove(migration);
                    _granted.Add(migration);
                }

                Check();
            }
        }

        private void End(PodMigration migration)
        {
            Ended++;
            _woken.Remove(migration.Metadata.Name!);
            _cluster.Listed.RemoveAll(m => m.Metadata.Name == migration.Metadata.Name);
            _slots?.Release(ObjectKey.Of(migration));
        }

        /// <summary>Another operator knows what is stored: who is under way. What was only
        /// granted is asked for again.</summary>
        private void Die()
        {
            Waiting.AddRange(_granted);
            _granted.Clear();
            _slots = null;
            _cluster = new MigrationSlotsTests.Objects();
            foreach (var migration in _underWay)
            {
                _cluster.Listed.Add(migration with
                {
                    Status = new PodMigrationStatus
                    {
                        SourceNode = migration.Spec.PodName, TargetNode = migration.Spec.TargetNode,
                        Conditions = [new V1Condition { Type = ConditionTypes.Validated, Status = "True" }],
                    },
                });
            }

            _woken.UnionWith(Waiting.Select(m => m.Metadata.Name!));
        }

        private void Check()
        {
            var all = _granted.Concat(_underWay).ToList();
            all.Count.Should().BeLessThanOrEqualTo(limits.ParallelPerCluster);
            all.CountBy(m => m.Spec.PodName).Count(n => n.Value > limits.ParallelOutboundPerNode).Should().Be(0);
            all.CountBy(m => m.Spec.TargetNode!).Count(n => n.Value > limits.ParallelInboundPerNode).Should().Be(0);
        }

        private T Take<T>(List<T> list)
        {
            var item = list[random.Next(list.Count)];
            list.Remove(item);
            return item;
        }
    }
}
