using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Maintenance;

namespace PodCheckpointing.Unit.Storage;

/// <summary>A sweep takes what is old and what nobody holds, and nothing that a reader can see.</summary>
public sealed class SweepTests : StoreFolder
{
    private static readonly SweepOptions Removing = new() { Remove = true };

    [Test]
    public async Task What_is_whole_stays_however_old_it_is()
    {
        await WriteAsync(new MemoryStream(new byte[1024]));
        Store.Seal(Pod, Id, [Volume]);
        Age();

        Sweep(Removing).Should().BeEmpty();

        await Store.Read(Store.FindSealed(Pod, Id, Volume)).VerifyAsync(CancellationToken.None);
    }

    [Test]
    public async Task A_checkpoint_that_was_never_completed_goes_as_a_whole_and_its_pods_folder_with_it()
    {
        await WriteAsync(new MemoryStream(new byte[1024]));
        Age();

        Sweep(Removing).Should().ContainSingle(l => l.Path == $"{Pod}/{Id}" && l.Removed && l.Bytes > 0);

        Directory.Exists(Path.Combine(Root, Pod)).Should().BeFalse();
    }

    [Test]
    public async Task A_checkpoint_that_is_removed_while_a_list_is_made_is_not_on_it()
    {
        foreach (var (pod, id) in new[] { ("a", Id), ("b", Id), ("b", Id + "0"), ("c", Id) })
        {
            await Store.WriteAsync(
                pod, id, Volume, new MemoryStream(new byte[1024]), new Origin(), new Progress<long>(),
                CancellationToken.None);
        }

        var listed = new List<string>();
        foreach (var checkpoint in new StoreInspection(Root, TimeProvider.System).List())
        {
            listed.Add(checkpoint.ToString());
            if (checkpoint.PodUID == "b")
            {
                Store.Delete("b", Id + "0", null);
                Store.Delete("c", Id, null);
            }
        }

        listed.Should().Equal($"a/{Id}", $"b/{Id}");
    }

    [Test]
    public async Task A_look_changes_nothing()
    {
        await WriteAsync(new MemoryStream(new byte[1024]));
        Age();
        var before = Directory.GetFileSystemEntries(Root, "*", SearchOption.AllDirectories);

        Sweep(new SweepOptions()).Should().ContainSingle(l => !l.Removed && l.Kept.Length == 0);

        Directory.GetFileSystemEntries(Root, "*", SearchOption.AllDirectories).Should().Equal(before);
    }

    [Test]
    public async Task What_is_young_stays()
    {
        await WriteAsync(new MemoryStream(new byte[1024]));
        Age();
        // One young file keeps all of it: somebody has been at it.
        File.SetLastWriteTimeUtc(Path.Combine(Root, Pod, Id, Volume, "manifest.json"), DateTime.UtcNow.AddMinutes(-59));

        Sweep(Removing).Should().BeEmpty();
        Sweep(Removing with { Age = TimeSpan.FromMinutes(58) }).Should().ContainSingle(l => l.Removed);
    }

    [Test]
    public async Task What_is_just_as_old_as_asked_is_old()
    {
        await WriteAsync(new MemoryStream(new byte[1024]));
        Age();
        var touched = new DirectoryInfo(Path.Combine(Root, Pod)).LastWriteTimeUtc;
        foreach (var entry in new DirectoryInfo(Path.Combine(Root, Pod)).EnumerateFileSystemInfos(
            "*", SearchOption.AllDirectories))
        {
            entry.LastWriteTimeUtc = touched;
        }

        // A volume's clock ticks slowly: a leftover and the look at it may have the same time.
        new StoreSweep(Root, new At(touched)).Run(new SweepOptions { Age = TimeSpan.Zero }, CancellationToken.None)
            .Should().ContainSingle(l => l.Path == $"{Pod}/{Id}");
    }

    [Test]
    public async Task What_a_writer_holds_stays_however_old_it_is()
    {
        var more = new TaskCompletionSource();
        var writing = Store.WriteAsync(
            Pod, Id, Volume, new Waiting(more.Task), new Origin(), new Progress<long>(), CancellationToken.None);
        Age();

        Sweep(new SweepOptions()).Should().ContainSingle(l => l.Kept.Length > 0);
        Sweep(Removing).Should().ContainSingle(l => l.Kept.Length > 0 && !l.Removed);

        more.SetResult();
        await writing;
        Store.Seal(Pod, Id, [Volume]);
        await Store.Read(Store.FindSealed(Pod, Id, Volume)).VerifyAsync(CancellationToken.None);
    }

    [Test]
    public async Task Partial_files_go_from_whole_checkpoints_and_from_the_root()
    {
        await WriteAsync(new MemoryStream(new byte[1024]));
        Store.Seal(Pod, Id, [Volume]);
        var left = new[] { $"{Pod}/{Id}/.checkpoint-complete.x.partial",
            $"{Pod}/{Id}/{Volume}/manifest.json.partial", ".store-id.x.partial" };
        foreach (var path in left)
        {
            await File.WriteAllTextAsync(Path.Combine(Root, path), "half");
        }

        Age();

        Sweep(Removing).Select(l => l.Path).Should().BeEquivalentTo(left);
        await Store.Read(Store.FindSealed(Pod, Id, Volume)).VerifyAsync(CancellationToken.None);
        Sweep(Removing).Should().BeEmpty("it has converged");
    }

    [Test]
    public async Task An_agents_sweep_leaves_a_checkpoint_that_its_operator_may_go_on_with()
    {
        await WriteAsync(new MemoryStream(new byte[1024]));
        var partial = Path.Combine(
            Directory.CreateDirectory(Path.Combine(Root, Pod, Id, "main")).FullName, "dump.tar.zst.partial");
        await File.WriteAllTextAsync(partial, "half");
        Age();

        Sweep(Removing with { Unfinished = false }).Select(l => l.Path)
            .Should().Equal($"{Pod}/{Id}/main/dump.tar.zst.partial");

        Store.Find(Pod, Id, Volume).Should().NotBeNull();
    }

    [Test]
    public async Task A_pod_whose_dump_is_under_way_is_left_alone()
    {
        await WriteAsync(new MemoryStream(new byte[1024]));
        Age();
        Sweep(Removing with { UnderWay = pod => pod == Pod }).Should().BeEmpty();
        Store.Find(Pod, Id, Volume).Should().NotBeNull();
    }

    [Test]
    public async Task The_slower_clock_counts()
    {
        await WriteAsync(new MemoryStream(new byte[1024]));

        // This machine's clock is two hours ahead of the volume's: nothing is as old as it seems.
        new StoreSweep(Root, new Ahead(TimeSpan.FromHours(2))).Run(Removing, CancellationToken.None).Should().BeEmpty();
        Age();
        new StoreSweep(Root, new Ahead(TimeSpan.FromHours(-2))).Run(Removing, CancellationToken.None)
            .Should().BeEmpty();
    }

    [Test]
    public async Task All_together_sweep_no_more_often_than_they_were_told()
    {
        Sweep(Removing).Should().BeEmpty();
        await WriteAsync(new MemoryStream(new byte[1024]));
        Age();
        File.SetLastWriteTimeUtc(Path.Combine(Root, ".lock"), DateTime.UtcNow.AddMinutes(-59));

        Sweep(Removing with { Every = TimeSpan.FromHours(1) }).Should().BeEmpty();
        File.SetLastWriteTimeUtc(Path.Combine(Root, ".lock"), DateTime.UtcNow.AddMinutes(-61));
        Sweep(Removing with { Every = TimeSpan.FromHours(1) }).Should().ContainSingle(l => l.Removed);
    }

    [Test]
    public void One_sweep_at_a_time()
    {
        using var other = StoreLock.Take(Root, ".sweep", exclusive: true);
        var sweeping = () => Sweep(Removing);
        sweeping.Should().Throw<IOException>().WithMessage("*another sweep is under way*");
    }

    [Test]
    public void What_is_not_ours_stays()
    {
        foreach (var path in new[] { "lost+found", "Backup Of/tuesday", ".hidden/x", "pod/UPPER" })
        {
            Directory.CreateDirectory(Path.Combine(Root, path));
            File.WriteAllText(Path.Combine(Root, path, "x"), "");
        }

        Age();
        Sweep(Removing).Should().BeEmpty();
    }

    [Test]
    public async Task A_link_is_not_followed()
    {
        var outside = Path.Combine(Out, "mine.partial");
        await File.WriteAllTextAsync(outside, "mine");
        await WriteAsync(new MemoryStream(new byte[1024]));
        Directory.CreateSymbolicLink(Path.Combine(Root, Pod, Id, "door"), Out);
        Directory.CreateSymbolicLink(Path.Combine(Root, "pod"), Out);
        Age();
        File.SetLastWriteTimeUtc(outside, DateTime.UtcNow.AddDays(-1));

        Sweep(Removing).Select(l => l.Path).Should().Equal($"{Pod}/{Id}");

        File.Exists(outside).Should().BeTrue();
    }

    [Test]
    public async Task What_is_being_removed_cannot_be_written_and_what_is_being_written_cannot_be_removed()
    {
        using (StoreLock.Take(Root, $"{Pod}/{Id}", exclusive: true))
        {
            var writing = () => WriteAsync(new MemoryStream(new byte[1024]));
            await writing.Should().ThrowAsync<IOException>().WithMessage($"{Pod}/{Id} is being removed*");
        }

        await WriteAsync(new MemoryStream(new byte[1024]));
        using (StoreLock.Take(Root, $"{Pod}/{Id}", exclusive: false))
        {
            var removing = () => Store.Delete(Pod, Id, null);
            removing.Should().Throw<IOException>().WithMessage($"{Pod}/{Id} is in use*");
            Store.Seal(Pod, Id, [Volume]);
        }

        Store.Delete(Pod, Id, null).Should().BePositive();
    }

    private IReadOnlyList<Leftover> Sweep(SweepOptions options) =>
        new StoreSweep(Root, TimeProvider.System).Run(options, CancellationToken.None);

    /// <summary>Everything was last touched 61 minutes ago.</summary>
    private void Age()
    {
        foreach (var entry in new DirectoryInfo(Root).EnumerateFileSystemInfos("*", SearchOption.AllDirectories)
            .Where(entry => entry.LinkTarget is null).Append(new DirectoryInfo(Root)))
        {
            entry.LastWriteTimeUtc = DateTime.UtcNow.AddMinutes(-61);
        }
    }

    private sealed class At(DateTime now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }

    private sealed class Ahead(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UtcNow + by;
    }

    /// <summary>An empty archive that takes its time.</summary>
    private sealed class Waiting(Task more) : MemoryStream(new byte[1024])
    {
        public override async ValueTask<int> ReadAsync(
            Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await more.WaitAsync(cancellationToken);
            return await base.ReadAsync(buffer, cancellationToken);
        }
    }
}
