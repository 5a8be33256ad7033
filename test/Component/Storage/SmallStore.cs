using FluentAssertions;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Maintenance;
using PodCheckpointing.Stress;

namespace PodCheckpointing.Component.Store;

/// <summary>Looks at a store of small checkpoints as a reader does.</summary>
internal sealed class SmallStore(string root)
{
    public CheckpointStore Store { get; } =
        new(root, TimeProvider.System, new StoreOptions { Workers = 1, FrameSize = 2048 });

    /// <summary>Whether a reader sees the checkpoint. It sees all of it, every byte as it was, or none of it.</summary>
    public async Task<bool> SeesAsync(string podUid, int number)
    {
        var id = SmallDump.IdOf(number);
        if (!File.Exists(Path.Combine(root, podUid, id, ".checkpoint-complete")))
        {
            var finding = () => Store.FindSealed(podUid, id, "main");
            finding.Should().Throw<CorruptArtifactException>().WithMessage("*is not complete");
            return false;
        }

        foreach (var container in SmallDump.Containers)
        {
            using var tar = new MemoryStream();
            await Store.Read(Store.FindSealed(podUid, id, container)).ReadAsync(
                bytes => tar.WriteAsync(bytes), CancellationToken.None);
            var whole = SmallDump.Archive(container, number);
            tar.ToArray().AsSpan().SequenceEqual(whole.AsSpan(0, (int)tar.Length))
                .Should().BeTrue($"checkpoint {number} of {podUid} is whole");
            whole.AsSpan((int)tar.Length).IndexOfAnyExcept((byte)0).Should().Be(-1);
        }

        return true;
    }

    /// <summary>The next writer's retry makes it whole.</summary>
    public async Task RetryAsync(string podUid, int number)
    {
        var id = SmallDump.IdOf(number);
        foreach (var container in SmallDump.Containers)
        {
            await Store.WriteAsync(
                podUid, id, container, new MemoryStream(SmallDump.Archive(container, number)), new Origin(),
                new Progress<long>(), CancellationToken.None);
        }

        Store.Seal(podUid, id, SmallDump.Containers);
        (await SeesAsync(podUid, number)).Should().BeTrue();
    }

    /// <summary>A sweep leaves whole checkpoints and nothing else.</summary>
    public async Task SweptAsync()
    {
        var sweep = new SweepOptions { Remove = true, Age = TimeSpan.FromSeconds(-5) };
        // Of folders within folders the inner ones go first.
        for (var i = 0; i < 3; i++)
        {
            new StoreSweep(root, TimeProvider.System).Run(sweep, CancellationToken.None)
                .Where(leftover => leftover.Kept.Length > 0).Should().BeEmpty("nobody lives");
        }

        new StoreSweep(root, TimeProvider.System).Run(sweep, CancellationToken.None).Should().BeEmpty();
        var inspection = new StoreInspection(root, TimeProvider.System);
        foreach (var checkpoint in inspection.List().ToList())
        {
            checkpoint.Complete.Should().BeTrue();
            (await inspection.CheckAsync(checkpoint, CancellationToken.None)).Should().BeEmpty();
        }
    }

    /// <summary>The files of one checkpoint: the state that it was caught in.</summary>
    public string StateOf(string podUid, int number)
    {
        var folder = new DirectoryInfo(Path.Combine(root, podUid, SmallDump.IdOf(number)));
        return !folder.Exists ? "" : string.Join(' ', folder.EnumerateFileSystemInfos("*", SearchOption.AllDirectories)
            .Select(entry => Path.GetRelativePath(folder.FullName, entry.FullName))
            .Select(name => name.Contains(".checkpoint-complete.") ? ".checkpoint-complete.partial" : name)
            .Order(StringComparer.Ordinal));
    }
}
