using System.Globalization;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Transfer;

namespace PodCheckpointing.Stress;

/// <summary>A writer's life: it says what it begins and what it has finished, so that whoever
/// kills it knows what must hold.</summary>
internal sealed class Life(string root, string podUid, bool held)
{
    private readonly CheckpointStore _store =
        new(root, TimeProvider.System, new StoreOptions { Workers = 1, FrameSize = 2048 });
    private bool _isToHold = held;

    /// <summary>Waits for a line, then lives. Numbers from the first one on, each twice: every life begins with what
    /// the last one may have left half done.</summary>
    public async Task RunAsync(int first, int count)
    {
        Say("ready", first);
        await Console.In.ReadLineAsync();
        for (var number = first; number < first + count; number++)
        {
            while (!await TryAsync(() => SealedAsync(number), number))
            {
            }

            if (number % 3 == 2)
            {
                while (!await TryAsync(() => MovedAsync(number - 1), number - 1))
                {
                }
            }
        }

        Say("end", first + count);
    }

    private async Task SealedAsync(int number)
    {
        Say("sealing", number);
        var id = SmallDump.IdOf(number);
        foreach (var container in SmallDump.Containers)
        {
            await _store.WriteAsync(
                podUid, id, container, new MemoryStream(SmallDump.Archive(container, number)),
                () => OriginAsync(number), new Progress<long>(), CancellationToken.None);
        }

        _store.Seal(podUid, id, SmallDump.Containers);
        Say("sealed", number);
    }

    /// <summary>Asked for when the bytes are written, and nobody else may write them.</summary>
    private async Task<Origin> OriginAsync(int number)
    {
        if (_isToHold)
        {
            _isToHold = false;
            Say("held", number);
            await Console.In.ReadLineAsync();
        }

        return new Origin();
    }

    // Out of the store and back, by way of a file.
    private async Task MovedAsync(int number)
    {
        var id = SmallDump.IdOf(number);
        if (!File.Exists(Path.Combine(root, podUid, id, ".checkpoint-complete")))
        {
            // Removed already, by an earlier life or by another process.
            return;
        }

        using var file = new MemoryStream();
        await new CheckpointExport(root, TimeProvider.System).WriteAsync(podUid, id, file, CancellationToken.None);
        Say("removing", number);
        _store.Delete(podUid, id, null);
        Say("removed", number);
        if (number % 2 == 0)
        {
            file.Position = 0;
            Say("sealing", number);
            await new CheckpointImport(root, TimeProvider.System).ReadAsync(file, CancellationToken.None);
            Say("sealed", number);
        }
    }

    // Another process may be at the same checkpoint: then it is refused, and may try again.
    private static async Task<bool> TryAsync(Func<Task> action, int number)
    {
        try
        {
            await action();
            return true;
        }
        catch (Exception exception) when (exception is IOException or CorruptArtifactException or ArgumentException)
        {
            Say($"refused {exception.GetType().Name} {exception.Message.ReplaceLineEndings(" ")}", number);
            await Task.Delay(1);
            return false;
        }
    }

    private static void Say(string what, int number) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{number} {what}"));
}
