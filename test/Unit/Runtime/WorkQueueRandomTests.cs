using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Runtime;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Unit.Runtime;

/// <summary>Keys come, begin, are worked on and end in any order, beside a model that
/// is too simple to be wrong.</summary>
public sealed class WorkQueueRandomTests
{
    private const int MostNew = 2;
    private readonly HashSet<ObjectKey> _begun = [];
    private readonly HashSet<ObjectKey> _ready = [];
    private readonly HashSet<ObjectKey> _new = [];
    private readonly HashSet<ObjectKey> _again = [];
    private readonly Dictionary<ObjectKey, bool> _working = [];

    [Test]
    public async Task No_key_is_lost_or_with_two_workers_and_new_ones_never_have_too_many([Range(1, 20)] int seed)
    {
        new ICollection<ObjectKey>[] { _begun, _ready, _new, _again }.ToList().ForEach(set => set.Clear());
        _working.Clear();
        var random = new Random(seed);
        var keys = Enumerable.Range(0, 12).Select(n => new ObjectKey("ns", $"{n}")).ToArray();
        using var queue = new WorkQueue(new HandTime(), isNew: key => !_begun.Contains(key), mostNew: MostNew);

        for (var n = 0; n < 5000; n++)
        {
            var key = keys[random.Next(keys.Length)];
            switch (random.Next(6))
            {
                case 0:
                    _begun.Add(key);
                    break;
                case 1:
                    _begun.Remove(key);
                    break;
                case 2 when _working.Count > 0:
                    Done(queue, _working.Keys.ElementAt(random.Next(_working.Count)));
                    break;
                case 3 or 4 when MayTake:
                    await TakeAsync(queue);
                    break;
                default:
                    Add(queue, key);
                    break;
            }

            queue.Count.Should().Be(_ready.Count + _new.Count);
        }

        while (_working.Count > 0 || MayTake)
        {
            while (MayTake)
            {
                await TakeAsync(queue);
            }

            Done(queue, _working.Keys.First());
        }

        queue.Count.Should().Be(0);
        queue.GetAsync(CancellationToken.None).IsCompleted.Should().BeFalse("nothing is offered that is not there");
    }

    private bool MayTake => _ready.Count > 0 || (_new.Count > 0 && _working.Values.Count(isNew => isNew) < MostNew);

    private void Add(WorkQueue queue, ObjectKey key)
    {
        queue.Add(key);
        if (_working.ContainsKey(key))
        {
            _again.Add(key);
        }
        else if (!_ready.Contains(key))
        {
            Queued(key);
        }
    }

    private void Done(WorkQueue queue, ObjectKey key)
    {
        queue.Done(key);
        _working.Remove(key);
        if (_again.Remove(key))
        {
            Queued(key);
        }
    }

    private async Task TakeAsync(WorkQueue queue)
    {
        var key = await queue.GetAsync(CancellationToken.None).WaitAsync(Wait.Patience);
        var isNew = queue.DueAt(key) is null;
        (isNew ? _new : _ready).Remove(key).Should().BeTrue("nobody works unasked, and nothing waits twice");
        _working.TryAdd(key, isNew).Should().BeTrue("it has no worker yet");
        _working.Values.Count(v => v).Should().BeLessThanOrEqualTo(MostNew);
    }

    private void Queued(ObjectKey key)
    {
        _new.Remove(key);
        (_begun.Contains(key) ? _ready : _new).Add(key);
    }
}
