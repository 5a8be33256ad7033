using FluentAssertions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Maintenance;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Storage;
using PodCheckpointing.TestKit;
using PodCheckpointing.Unit.Runtime;
using PodCheckpointing.Unit.Storage;

namespace PodCheckpointing.Unit.Agent;

/// <summary>What the agent has the volume swept of, and when.</summary>
public sealed class StoreSweeperTests : StoreFolder
{
    private static readonly CheckpointRequest Request = new()
    {
        PodNamespace = "default", PodName = "p", PodUid = Pod, ContainerName = "c", CheckpointId = Id,
    };

    private Log _log = null!;
    private HandTime _time = null!;
    private DumpJournal _journal = null!;
    private StoreSweeper _sweeper = null!;

    [SetUp]
    public void Begin()
    {
        _log = new Log();
        _time = new HandTime();
        _time.SetClock(DateTime.UtcNow - DateTime.UnixEpoch);
        var options = Options.Create(new AgentOptions { StateRoot = Out, StoreRoot = Root });
        _journal = new DumpJournal(options, _time);
        // It dumps nothing here: the sweeper only asks what is under way.
        var checkpointer = new Checkpointer(null!, null!, null!, null!, Store, null!, null!, options, _time);
        _sweeper = new StoreSweeper(checkpointer, _journal, new StoreMarks(Root, _time), options, _time, _log);
    }

    [TearDown]
    public async Task EndAsync()
    {
        await _sweeper.StopAsync(CancellationToken.None);
        // A sweep outlives its service, and would make files in a folder that is being deleted.
        await _sweeper.Work.ContinueWith(_ => { }, TaskScheduler.Default);
        _sweeper.Dispose();
    }

    [Test]
    public void What_a_dead_writer_left_goes_and_what_the_operator_may_go_on_with_stays()
    {
        var partial = Left("dump.tar.zst.partial");
        var unfinished = Left("manifest.json");

        SweepAfter(61).Should().Be(1);

        File.Exists(partial).Should().BeFalse();
        File.Exists(unfinished).Should().BeTrue("a checkpoint without a marker may still get one");
    }

    [Test]
    public void Nothing_goes_of_a_pod_whose_dump_may_be_under_way()
    {
        var partial = Left("dump.tar.zst.partial");
        _journal.Begin(Request);
        SweepAfter(61).Should().Be(0);
        File.Exists(partial).Should().BeTrue();

        _journal.End(Request);
        SweepAfter(61).Should().Be(1);
    }

    [Test]
    public void It_sweeps_once_in_an_hour_however_often_it_is_asked()
    {
        Left("dump.tar.zst.partial");
        SweepAfter(61).Should().Be(1);

        Left("dump.tar.zst.partial");
        _sweeper.Sweep(CancellationToken.None).Should().Be(0);
        SweepAfter(59).Should().Be(0);
        SweepAfter(61).Should().Be(1);
    }

    [Test]
    public async Task It_looks_by_itself_and_goes_on_when_the_volume_fails()
    {
        var partial = Left("dump.tar.zst.partial");
        _sweeper.Sweep(CancellationToken.None);
        Directory.Move(Root, Root + ".away");
        await _sweeper.StartAsync(CancellationToken.None);
        await PassUntilAsync(() => _log.Events.Contains(5005));

        Directory.Move(Root + ".away", Root);
        await PassUntilAsync(() => _log.Events.Contains(5006));

        File.Exists(partial).Should().BeFalse();
    }

    /// <summary>A volume that nobody has swept yet counts as swept when the first one looks.</summary>
    private int SweepAfter(int minutes)
    {
        var stamp = Path.Combine(Root, ".lock");
        File.AppendAllText(stamp, "");
        File.SetLastWriteTimeUtc(stamp, _time.GetUtcNow().UtcDateTime.AddMinutes(-minutes));
        return _sweeper.Sweep(CancellationToken.None);
    }

    /// <summary>Has time pass until something is so.</summary>
    private Task PassUntilAsync(Func<bool> done) => Wait.UntilAsync(() =>
    {
        _time.Advance(TimeSpan.FromMinutes(10));
        return done();
    });

    /// <summary>A file of the pod's checkpoint that nobody has touched for hours.</summary>
    private string Left(string name)
    {
        var path = Path.Combine(Root, Pod, Id, "c", name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, "half");
        File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddHours(-3));
        return path;
    }

    private sealed class Log : ILogger<StoreSweeper>
    {
        public System.Collections.Concurrent.ConcurrentQueue<int> Events { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        void ILogger.Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) =>
            Events.Enqueue(eventId.Id);
    }
}
