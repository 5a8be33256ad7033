using System.Globalization;
using System.Reflection;
using System.Text.Json;
using PodCheckpointing.Storage.Maintenance;

namespace PodCheckpointing.Storage.Tool;

/// <summary>One call of the tool. It changes a store only where --quarantine or --yes says so, and by import.</summary>
internal sealed partial class StoreCommand(TextWriter output, TextWriter errors, TimeProvider time)
{
    public const int Whole = 0;
    public const int Broken = 1;
    public const int BadInput = 2;
    public const int Failed = 3;

    private static readonly TimeSpan OldestAge = TimeSpan.FromDays(36500);

    private const string Usage = """
        usage: fsck   <root> [--quarantine] [--json]      checks every checkpoint, every byte
               ls     <root> [--json]                     what is there, and what each pod and namespace uses
               show   <root> <podUID>/<checkpointID> [--json]
               verify <root> <podUID>/<checkpointID> [--json]
               gc     <root> [--age=1h] [--yes] [--json]  what dead writers left and is older; --yes removes it
               export <root> <podUID>/<checkpointID> <file>   the whole checkpoint as one tar of the stored files, verified
               export <root> <podUID>/<checkpointID>/<container> <file>   the runtime's own tar, verified
               import <root> <file>                       puts an exported checkpoint back, verified
               --version
        exit codes: 0 all is whole, 1 something is broken, 2 bad input, 3 the volume failed or the call was cancelled
        """;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public async Task<int> RunAsync(string[] args, CancellationToken cancellationToken)
    {
        try
        {
            return await DispatchAsync(args, cancellationToken);
        }
        catch (Exception exception) when (exception is UsageException or ArgumentException)
        {
            await errors.WriteLineAsync(exception.Message);
            return BadInput;
        }
        catch (CorruptArtifactException exception)
        {
            await errors.WriteLineAsync(exception.Message);
            return Broken;
        }
        catch (Exception exception)
            when (exception is IOException or UnauthorizedAccessException or OperationCanceledException)
        {
            await errors.WriteLineAsync(exception.Message);
            return Failed;
        }
    }

    private async Task<int> DispatchAsync(string[] args, CancellationToken cancellationToken)
    {
        if (args is ["--version"])
        {
            await output.WriteLineAsync(
                typeof(StoreCommand).Assembly
                    .GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion);
            return Whole;
        }

        var words = args.Where(arg => !arg.StartsWith("--", StringComparison.Ordinal)).ToArray();
        // --name=value, of which the value is looked at where it is used.
        var flags = args.Except(words).Select(flag => flag.Split('=', 2)).ToDictionary(
            flag => flag[0], flag => flag.ElementAtOrDefault(1));
        var (command, expected, allowed) = words.FirstOrDefault() switch
        {
            "fsck" => ("fsck", 2, new[] { "--json", "--quarantine" }),
            "ls" => ("ls", 2, ["--json"]),
            "show" => ("show", 3, ["--json"]),
            "verify" => ("verify", 3, ["--json"]),
            "gc" => ("gc", 2, ["--json", "--yes", "--age"]),
            "export" => ("export", 4, []),
            "import" => ("import", 3, []),
            null => throw new UsageException(Usage),
            var other => throw new UsageException($"\"{other}\" is no command\n{Usage}"),
        };
        if (words.Length != expected)
        {
            throw new UsageException($"{command} takes {expected - 1} arguments, not {words.Length - 1}\n{Usage}");
        }

        if (flags.Keys.FirstOrDefault(flag => !allowed.Contains(flag)) is { } unknown)
        {
            throw new UsageException($"{command} has no option \"{unknown}\"\n{Usage}");
        }

        var root = words[1];
        if (!Directory.Exists(root))
        {
            throw new UsageException($"\"{root}\" is no folder; give the one where the checkpoints' volume is mounted");
        }

        var (inspection, json) = (new StoreInspection(root, time), IsOn(flags, "--json"));
        return command switch
        {
            "fsck" => await CheckAsync(
                inspection, inspection.List(), IsOn(flags, "--quarantine"), json, cancellationToken),
            "ls" => List(inspection, json),
            "gc" => Sweep(root, flags, json, cancellationToken),
            "show" => Show(Find(inspection, words[2]), json),
            "verify" => await CheckAsync(inspection, [Find(inspection, words[2])], false, json, cancellationToken),
            "import" => await ImportAsync(root, words[2], cancellationToken),
            _ => await ExportAsync(root, words[2], words[3], cancellationToken),
        };
    }

    private static StoredCheckpoint Find(StoreInspection inspection, string name)
    {
        var parts = name.Split('/');
        return parts.Length != 2
            ? throw new UsageException($"\"{name}\" names no checkpoint; write <podUID>/<checkpointID>, as ls does")
            : inspection.Find(parts[0], parts[1])
                ?? throw new UsageException($"there is no checkpoint \"{name}\"; ls shows those that there are");
    }

    private async Task<int> CheckAsync(
        StoreInspection inspection, IEnumerable<StoredCheckpoint> checkpoints, bool quarantine, bool json,
        CancellationToken cancellationToken)
    {
        var (count, all, moved) = (0, new List<Finding>(), new List<string>());
        foreach (var checkpoint in checkpoints.ToList())
        {
            var findings = await inspection.CheckAsync(checkpoint, cancellationToken);
            count++;
            all.AddRange(findings);
            if (quarantine && findings.Any(finding => finding.Broken))
            {
                moved.AddRange(
                    await inspection.QuarantineAsync(checkpoint, cancellationToken) is { } path ? [path] : []);
            }
        }

        if (json)
        {
            Print(new { checkpoints = count, findings = all, quarantined = moved });
        }
        else
        {
            all.ForEach(
                finding => output.WriteLine(
                    $"{(finding.Broken ? "BROKEN" : "note  ")} {finding.Path}: {finding.Problem}"));
            moved.ForEach(path => output.WriteLine($"quarantined as {path}; the reason lies in it"));
            output.WriteLine($"{count} checkpoints, {all.Count(finding => finding.Broken)} broken parts");
        }

        return all.Any(finding => finding.Broken) ? Broken : Whole;
    }

    private int Sweep(string root, Dictionary<string, string?> flags, bool json, CancellationToken cancellationToken)
    {
        var options =
            new SweepOptions { Remove = IsOn(flags, "--yes"), Age = AgeOf(flags.GetValueOrDefault("--age", "1h")) };
        var found = new StoreSweep(root, time).Run(options, cancellationToken);
        if (json)
        {
            Print(found);
            return Whole;
        }

        foreach (var leftover in found)
        {
            var what = leftover.Kept.Length > 0 ? "kept   " : leftover.Removed ? "removed" : "would remove";
            output.WriteLine(
                $"{what} {leftover.Path}: {leftover.Why}, "
                    + $"{(leftover.Kept.Length > 0 ? leftover.Kept : $"{leftover.Bytes} bytes")}");
        }

        var going = found.Where(leftover => leftover.Kept.Length == 0).ToList();
        output.WriteLine($"{going.Count} leftovers, {going.Sum(leftover => leftover.Bytes)} bytes"
            + (going.Count > 0 && !options.Remove ? "; nothing was changed: --yes removes them" : ""));
        return Whole;
    }

    private static bool IsOn(Dictionary<string, string?> flags, string name) =>
        flags.TryGetValue(name, out var value) && value switch
        {
            null or "true" => true,
            "false" => false,
            _ => throw new UsageException($"{name}=\"{value}\": write {name}, {name}=true or {name}=false"),
        };

    private static TimeSpan AgeOf(string? text)
    {
        var unit = text?.Length > 1 ? text[^1] : ' ';
        var seconds = "smhd".Contains(unit)
            && int.TryParse(text![..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            ? count * (unit switch { 's' => 1L, 'm' => 60, 'h' => 3600, _ => 86400 })
            : long.MaxValue;
        // Farther back there is no time to compare with.
        return seconds <= OldestAge.TotalSeconds
            ? TimeSpan.FromSeconds(seconds)
            : throw new UsageException(
                $"\"{text}\" is no age; write --age=90s, 30m, 1h or 2d, and at most {OldestAge.TotalDays}d");
    }

    private int List(StoreInspection inspection, bool json)
    {
        var checkpoints = inspection.List().ToList();
        var quarantined = inspection.ListQuarantined().Select(q => new { q.Path, q.Bytes, q.Reason }).ToList();
        var pods = checkpoints.GroupBy(c => (c.Namespace, c.PodName, c.PodUID))
            .Select(pod => new { pod.Key.Namespace, pod.Key.PodName, pod.Key.PodUID, Checkpoints = pod
                .Count(), Bytes = pod.Sum(c => c.Bytes) })
            .OrderByDescending(pod => pod.Bytes).ToList();
        var namespaces = checkpoints.GroupBy(c => c.Namespace)
            .Select(
                group => new { Namespace = group.Key, Checkpoints = group.Count(), Bytes = group.Sum(c => c.Bytes) })
            .OrderByDescending(group => group.Bytes).ToList();
        if (json)
        {
            Print(new
            {
                checkpoints = checkpoints.Select(
                    c => new { c.PodUID, c.CheckpointID, c.Namespace, c.PodName, c.Complete, c.Bytes }),
                pods,
                namespaces,
                quarantined,
            });
            return Whole;
        }

        output.WriteLine($"{"CHECKPOINT",-63} {"COMPLETE",-8} {"BYTES",15}  POD");
        checkpoints.ForEach(c => output.WriteLine(
            $"{c,-63} {(c.Complete ? "yes" : "no"),-8} {c.Bytes,15}  {c.Namespace}/{c.PodName}"));
        pods.ForEach(pod => output.WriteLine(
            $"pod {pod.Namespace}/{pod.PodName} ({pod.PodUID}): {pod.Checkpoints}, {pod.Bytes} bytes"));
        namespaces.ForEach(
            group => output.WriteLine($"namespace {group.Namespace}: {group.Checkpoints}, {group.Bytes} bytes"));
        quarantined.ForEach(
            broken => output.WriteLine($"quarantined {broken.Path}: {broken.Bytes} bytes, {broken.Reason}"));
        return Whole;
    }

    private int Show(StoredCheckpoint checkpoint, bool json)
    {
        if (json)
        {
            Print(checkpoint);
            return Whole;
        }

        output.WriteLine(
            $"{checkpoint}: {(checkpoint.Complete ? "complete" : "not complete")}, {checkpoint.Bytes} bytes");
        foreach (var manifest in checkpoint.Manifests)
        {
            output.WriteLine(
                $"  {manifest.Container}: {manifest.Size} bytes, {manifest.CompressedSize} stored, "
                    + $"{manifest.Entries} entries");
            output.WriteLine($"    digest  {manifest.Digest}");
            output.WriteLine(
                $"    pod     {manifest.Origin.PodNamespace}/{manifest.Origin.PodName} on {manifest.Origin.NodeName}");
            output.WriteLine($"    image   {manifest.Origin.ImageReference}");
            output.WriteLine($"    created {manifest.CreatedAt:u}");
        }

        return Whole;
    }

    private void Print<T>(T value) => output.WriteLine(JsonSerializer.Serialize(value, Json));
}
