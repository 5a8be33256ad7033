using System.Diagnostics;
using System.Globalization;

namespace PodCheckpointing.Component.Store;

/// <summary>What a writer said last of one checkpoint.</summary>
internal enum Said
{
    Nothing,
    Sealing,
    Sealed,
    Removing,
    Removed,
}

/// <summary>A process that writes checkpoints until it is killed (test/Stress).</summary>
internal sealed class LifeProcess : IDisposable
{
    private readonly Process _process;

    public LifeProcess(string root, string podUid, int first, int count = 1_000_000, bool held = false) =>
        _process = Process.Start(new ProcessStartInfo(
            Executable,
            [
                "life", root, podUid, first.ToString(CultureInfo.InvariantCulture),
                count.ToString(CultureInfo.InvariantCulture), .. held ? new[] { "held" } : [],
            ])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            Environment = { ["DOTNET_TieredPGO"] = "0" },
        })!;

    public static string Executable { get; } = Path.Combine(AppContext.BaseDirectory, "PodCheckpointing.Stress");

    /// <summary>Each line that it said so far.</summary>
    public List<(int Number, string What)> Lines { get; } = [];

    public async Task GoAsync()
    {
        await ReadAsync();
        await GoOnAsync();
    }

    /// <summary>Lets one go on that is held.</summary>
    public Task GoOnAsync() => _process.StandardInput.WriteLineAsync("go");

    /// <summary>Reads until it has said a word.</summary>
    public async Task ReadUntilAsync(string word)
    {
        while (!Lines[^1].What.StartsWith(word, StringComparison.Ordinal))
        {
            if (!await ReadAsync())
            {
                throw new EndOfStreamException($"it never said \"{word}\"");
            }
        }
    }

    /// <summary>Reads one more line; false at the end.</summary>
    public async Task<bool> ReadAsync()
    {
        var line = await _process.StandardOutput.ReadLineAsync();
        if (line?.Split(' ', 2) is [var number, var what])
        {
            Lines.Add((int.Parse(number, CultureInfo.InvariantCulture), what));
        }

        return line is not null;
    }

    /// <summary>Kills it with SIGKILL and reads what it had said until then.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await EndAsync();
    }

    /// <summary>Reads to its end.</summary>
    public async Task EndAsync()
    {
        while (await ReadAsync())
        {
        }

        await _process.WaitForExitAsync();
    }

    public int ExitCode => _process.ExitCode;

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.Dispose();
    }
}
