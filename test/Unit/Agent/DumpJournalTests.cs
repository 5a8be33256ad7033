using FluentAssertions;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Api.Protos;

namespace PodCheckpointing.Unit.Agent;

public sealed class DumpJournalTests
{
    private static readonly CheckpointRequest Request = new()
    {
        PodNamespace = "default", PodName = "p", PodUid = "u-1", ContainerName = "c", CheckpointId = "id-1",
    };

    private string _root = null!;
    private DumpJournal _journal = null!;

    [SetUp]
    public void Begin()
    {
        _root = Directory.CreateTempSubdirectory("journal").FullName;
        _journal = new DumpJournal(
            Options.Create(new AgentOptions { StateRoot = _root, KubeletDirectory = _root }), TimeProvider.System);
    }

    [TearDown]
    public void End() => Directory.Delete(_root, recursive: true);

    [Test]
    public void Knows_a_dump_until_its_end_was_seen()
    {
        _journal.Pending(Request).Should().BeNull();
        var began = _journal.Begin(Request);
        _journal.Pending(Request).Should().Be(began);
        _journal.End(Request);
        _journal.Pending(Request).Should().BeNull();
    }

    [Test]
    public void Never_takes_another_checkpoints_dump_for_its_own()
    {
        _journal.Begin(Request);
        var later = Request.Clone();
        later.CheckpointId = "id-2";

        _journal.Pending(later).Should().BeNull();
    }

    [TestCase("")]
    [TestCase("id-1")]
    [TestCase("id-1 yesterday default p")]
    public void What_a_power_failure_has_left_of_an_entry_names_no_dump(string text)
    {
        _journal.Begin(Request);
        File.WriteAllText(Directory.GetFiles(Path.Combine(_root, "dumps")).Single(), text);

        _journal.Pending(Request).Should().BeNull();
        _journal.Invoking(j => j.RemoveArchives(Request.PodUid, "id-1")).Should().NotThrow();
        _journal.Invoking(j => j.Forget(Request.PodUid)).Should().NotThrow();
    }

    [Test]
    public async Task Finds_the_archive_of_the_lost_call_and_no_other()
    {
        var old = Archive("checkpoint-p_default-c-2026-11-21T00:00:00Z.tar");
        File.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddHours(-1));
        var began = _journal.Begin(Request);
        Archive("checkpoint-p_default-c-sidecar-2026-11-21T05:00:00Z.tar");
        var right = Archive("checkpoint-p_default-c-2026-11-21T05:00:00Z.tar");
        // A file's time is the kernel's last tick, which may lie before what a clock has just
        // said; a dump takes longer than that.
        File.SetLastWriteTimeUtc(right, began.AddSeconds(1));

        (await _journal.FindArchiveAsync(Request, began, () => true, CancellationToken.None)).Should().Be(right);
    }

    [Test]
    public async Task Gives_up_when_the_container_runs_as_if_nothing_had_been()
    {
        var began = _journal.Begin(Request);

        (await _journal.FindArchiveAsync(Request, began, () => false, CancellationToken.None)).Should().BeNull();
    }

    private string Archive(string name)
    {
        var path = Path.Combine(_root, name);
        File.WriteAllText(path, "tar");
        return path;
    }
}
