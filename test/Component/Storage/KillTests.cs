using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Component.Store;

/// <summary>Writers that are killed at random points, with SIGKILL: a reader sees the old whole
/// state or the new whole state.</summary>
public sealed class KillTests
{
    private const int Kills = 520;
    // More than there are cores: where a writer is interrupted is chance, too.
    private const int Lanes = 8;
    private string _root = null!;
    private SmallStore _small = null!;

    [SetUp]
    public void Begin()
    {
        // In memory: SIGKILL takes nothing from the page cache, and a disk would only make it slow.
        _root = Directory.CreateDirectory($"/dev/shm/store-{Guid.NewGuid():n}").FullName;
        _small = new SmallStore(_root);
    }

    [TearDown]
    public void End() => Directory.Delete(_root, recursive: true);

    [Test]
    public async Task Five_hundred_killed_writers_leave_old_or_new_states_only_and_the_next_one_goes_on()
    {
        var began = Stopwatch.GetTimestamp();

        var lanes = await Task.WhenAll(
            Enumerable.Range(0, Lanes).Select(lane => Task.Run(() => LaneAsync(lane, Kills / Lanes))));

        var states = lanes.SelectMany(lane => lane.States)
            .GroupBy(state => state)
            .OrderByDescending(group => group.Count())
            .ToList();
        TestContext.Out.WriteLine(
            $"{lanes.Sum(lane => lane.Kills)} kills in {Stopwatch.GetElapsedTime(began).TotalSeconds:F0} s");
        states.ForEach(state => TestContext.Out.WriteLine($"{state.Count(),4} x [{state.Key}]"));
        lanes.Sum(lane => lane.Kills).Should().BeGreaterThanOrEqualTo(500);
        states.Count.Should().BeGreaterThanOrEqualTo(6, "kills that all hit the same place would prove little");
        await _small.SweptAsync();
    }

    // One writer after the other on a pod of its own; the lock file and the root are everybody's.
    private async Task<(int Kills, List<string> States)> LaneAsync(int lane, int kills)
    {
        var podUid = $"7c9e667{lane}";
        var random = new Random(lane);
        var last = new Dictionary<int, Said>();
        var states = new List<string>();
        var number = 0;
        var process = new LifeProcess(_root, podUid, 0);
        for (var kill = 0; kill < kills; kill++)
        {
            // The next one starts while this one lives, which takes most of the time; it
            // begins where it is told to be possible.
            using var current = process;
            await current.GoAsync();
            for (var lines = random.Next(1, 9); lines > 0; lines--)
            {
                await current.ReadAsync();
            }

            SpinFor(TimeSpan.FromMicroseconds(random.Next(2) == 0 ? random.Next(2_000) : random.Next(25_000)));
            await current.KillAsync();
            current.Lines.Where(line => line.What.StartsWith("refused", StringComparison.Ordinal))
                .Should().BeEmpty("each has its pod for itself");
            foreach (var (at, what) in current.Lines)
            {
                number = Math.Max(number, at);
                last[at] = Enum.TryParse<Said>(what, ignoreCase: true, out var said)
                    ? said
                    : last.GetValueOrDefault(at);
            }

            process = new LifeProcess(_root, podUid, number);
            foreach (var (at, _) in current.Lines.DistinctBy(line => line.Number))
            {
                await CheckAsync(podUid, at, last[at]);
            }

            if (current.Lines[^1].What is "sealing" or "removing")
            {
                states.Add(_small.StateOf(podUid, current.Lines[^1].Number));
            }

            await RepairAsync(podUid, number, last);
        }

        process.Dispose();
        foreach (var (at, said) in last)
        {
            await CheckAsync(podUid, at, said);
        }

        return (kills, states);
    }

    private async Task CheckAsync(string podUid, int number, Said said)
    {
        var sees = await _small.SeesAsync(podUid, number);
        if (said is Said.Sealed)
        {
            sees.Should().BeTrue($"{podUid} {number} was said to be sealed");
        }
        else if (said is Said.Removed or Said.Nothing)
        {
            sees.Should().BeFalse($"{podUid} {number} was said to be removed, or never begun");
        }
    }

    // What the next life does not begin with: a move of an older one that was cut off.
    private async Task RepairAsync(string podUid, int number, Dictionary<int, Said> last)
    {
        foreach (var (at, said) in last.Where(pair => pair.Key < number && pair.Value is Said.Removing or Said.Sealing)
            .ToList())
        {
            if (said == Said.Removing)
            {
                _small.Store.Delete(podUid, Stress.SmallDump.IdOf(at), null);
                (await _small.SeesAsync(podUid, at)).Should().BeFalse();
                last[at] = Said.Removed;
            }
            else
            {
                await _small.RetryAsync(podUid, at);
                last[at] = Said.Sealed;
            }
        }
    }

    private static void SpinFor(TimeSpan time)
    {
        var began = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(began) < time)
        {
            Thread.SpinWait(20);
        }
    }
}
