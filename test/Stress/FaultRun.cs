using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Maintenance;
using PodCheckpointing.Storage.Transfer;

namespace PodCheckpointing.Stress;

/// <summary>Lets each file system call of each operation fail, one after the other, alone
/// and with all that follow.</summary>
/// <remarks>
/// After each: the operation has thrown what callers are promised, or was not disturbed; a reader sees the old whole
/// state or the new one; of a single failure nothing is left beside them; and the same operation, repeated on a volume
/// that works, succeeds.
/// </remarks>
internal sealed class FaultRun(string root, TextWriter output)
{
    private const string Pod = "7c9e6679";
    private static readonly (string Name, int Number)[] Errors =
    [
        ("EIO", 5),
        ("ENOSPC", 28),
        ("EINTR", 4),
        ("ESTALE", 116),
    ];

    // Linux restarts or finishes these itself, or their callers have to.
    private static readonly string[] Restarted =
    [
        "open",
        "open64",
        "openat",
        "openat64",
        "pwrite",
        "pwrite64",
        "write",
        "pread64",
        "read",
        "fsync",
        "ftruncate64",
        "flock",
        "fcntl",
        "close",
    ];

    private readonly string _id = SmallDump.IdOf(0);
    private readonly CheckpointStore _store =
        new(root, TimeProvider.System, new StoreOptions { Workers = 1, FrameSize = 2048 });
    private readonly SortedDictionary<string, int> _failed = new(StringComparer.Ordinal);
    private byte[] _file = [];
    private int _wrong;
    private int _runs;

    public async Task<int> RunAsync()
    {
        FaultCalls.Attach();
        await SealAsync();
        using (var file = new MemoryStream())
        {
            await new CheckpointExport(root, TimeProvider.System).WriteAsync(Pod, _id, file, CancellationToken.None);
            _file = file.ToArray();
        }

        foreach (var error in Errors)
        {
            foreach (var all in error.Name == "EIO" ? [false, true] : new[] { false })
            {
                await RunAsync("seal", RemoveAsync, SealAsync, seesAfter: true, error, all);
                await RunAsync("import", RemoveAsync, ImportAsync, seesAfter: true, error, all);
                await RunAsync("remove", SealAsync, RemoveAsync, seesAfter: false, error, all);
                await RunAsync("sweep", LeaveAsync, SweepAsync, seesAfter: false, error, all);
                await RunAsync("sweep past", SealAsync, SweepAsync, seesAfter: true, error, all);
                await RunAsync("check", SealAsync, CheckAsync, seesAfter: true, error, all);
            }
        }

        output.WriteLine(string.Join(", ", _failed.Select(call => $"{call.Key} {call.Value}")));
        output.WriteLine($"faults: {_runs} runs, {_wrong} wrong");
        return _wrong == 0 ? 0 : 1;
    }

    private async Task RunAsync(
        string what, Func<Task> before, Func<Task> operation, bool seesAfter, (string Name, int Number) error, bool all)
    {
        for (var n = 1L; ; n++)
        {
            await before();
            FaultCalls.Arm(root, n, error.Number, all);
            Exception? thrown = null;
            try
            {
                await operation();
            }
            catch (Exception exception)
            {
                thrown = exception;
            }

            var calls = FaultCalls.Disarm();
            if (n > calls)
            {
                return;
            }

            _runs++;
            var failed = FaultCalls.Failed();
            _failed[failed] = _failed.GetValueOrDefault(failed) + 1;
            foreach (var problem in await ProblemsAsync(
                what, thrown, seesAfter, all, error.Name == "EINTR" && Restarted.Contains(failed), operation))
            {
                _wrong++;
                output.WriteLine(
                    $"WRONG {what}: {problem}: {error.Name} in call {n}{(all ? " and all after it" : "")}, {failed}: "
                        + $"{thrown}");
            }
        }
    }

    private async Task<List<string>> ProblemsAsync(
        string what, Exception? thrown, bool seesAfter, bool all, bool restarted, Func<Task> operation)
    {
        var problems = new List<string>();
        if (thrown is not (null or IOException or UnauthorizedAccessException))
        {
            problems.Add("not the exception that callers are promised");
        }

        if (thrown is not null && restarted && !all)
        {
            problems.Add("an interrupted call was taken for a failure");
        }

        var sees = await SeesAsync(problems);
        if (!sees && what is "sweep past" or "check")
        {
            problems.Add("a whole checkpoint is gone");
        }

        if (thrown is null && sees != seesAfter)
        {
            problems.Add("it says that it succeeded, and did not");
        }

        // A failure takes away what it has made: whole containers may stay, nothing else.
        if (!all && thrown is not null && seesAfter && !sees && Unfinished() is { } unfinished)
        {
            problems.Add($"it left {unfinished}");
        }

        try
        {
            await operation();
            if (await SeesAsync(problems) != seesAfter)
            {
                problems.Add("the second try says that it succeeded, and did not");
            }
        }
        catch (Exception exception)
        {
            problems.Add($"the second try failed: {exception.Message}");
        }

        return problems;
    }

    private string? Unfinished()
    {
        var folder = Path.Combine(root, Pod, _id);
        return !Directory.Exists(folder)
            ? null
            : Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).FirstOrDefault(path =>
            path.EndsWith(".partial", StringComparison.Ordinal)
            || (path.EndsWith(".zst", StringComparison.Ordinal)
                && !File.Exists(Path.Combine(Path.GetDirectoryName(path)!, "manifest.json"))));
    }

    private async Task<bool> SeesAsync(List<string> problems)
    {
        if (!File.Exists(Path.Combine(root, Pod, _id, ".checkpoint-complete")))
        {
            return false;
        }

        try
        {
            foreach (var container in SmallDump.Containers)
            {
                await _store.Read(_store.FindSealed(Pod, _id, container)).VerifyAsync(CancellationToken.None);
            }
        }
        catch (Exception exception)
        {
            problems.Add($"a reader sees something that is not whole: {exception.Message}");
        }

        return true;
    }

    private async Task SealAsync()
    {
        foreach (var container in SmallDump.Containers)
        {
            await _store.WriteAsync(
                Pod, _id, container, new MemoryStream(SmallDump.Archive(container, 0)), new Origin(),
                new Progress<long>(), CancellationToken.None);
        }

        _store.Seal(Pod, _id, SmallDump.Containers);
    }

    private Task ImportAsync() =>
        new CheckpointImport(root, TimeProvider.System).ReadAsync(new MemoryStream(_file), CancellationToken.None);

    private Task RemoveAsync()
    {
        _store.Delete(Pod, _id, null);
        return Task.CompletedTask;
    }

    // A dead writer's leftovers.
    private async Task LeaveAsync()
    {
        await SealAsync();
        File.Delete(Path.Combine(root, Pod, _id, ".checkpoint-complete"));
        await File.WriteAllTextAsync(Path.Combine(root, Pod, _id, "main", "manifest.json.partial"), "half");
        await File.WriteAllTextAsync(Path.Combine(root, ".store-id.x.partial"), "half");
    }

    // What a failing volume makes a check find is no damage: a quarantine would follow.
    private async Task CheckAsync()
    {
        var inspection = new StoreInspection(root, TimeProvider.System);
        var broken = new List<Finding>();
        foreach (var checkpoint in inspection.List().ToList())
        {
            broken.AddRange(
                (await inspection.CheckAsync(checkpoint, CancellationToken.None)).Where(finding => finding.Broken));
        }

        if (broken.Count > 0)
        {
            throw new InvalidOperationException($"{broken[0].Path} is called broken: {broken[0].Problem}");
        }
    }

    private Task SweepAsync()
    {
        new StoreSweep(root, TimeProvider.System).Run(
            new SweepOptions { Remove = true, Age = TimeSpan.FromSeconds(-5) }, CancellationToken.None);
        return Task.CompletedTask;
    }
}
