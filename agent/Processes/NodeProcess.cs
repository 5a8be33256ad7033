using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace PodCheckpointing.Agent.Processes;

/// <summary>Runs programs to their end.</summary>
internal static class NodeProcess
{
    /// <summary>A program may name every file that it cannot read: the last of it is kept.</summary>
    internal const int Kept = 64 * 1024;

    /// <summary>How long one that is killed is waited for: what hangs in the kernel
    /// ends when that lets it go.</summary>
    private static readonly TimeSpan Dying = TimeSpan.FromSeconds(2);

    /// <summary>What has come of a program.</summary>
    /// <param name="Code">Its exit code.</param>
    /// <param name="Output">The end of its standard output.</param>
    /// <param name="Errors">The end of what it complained about.</param>
    public readonly record struct Result(int Code, string Output, string Errors)
    {
        /// <summary>The last of its complaints in one line, for a message.</summary>
        public string Complaint =>
            Errors.ReplaceLineEndings(" ").Trim() is var line && line.Length > 600 ? line[^600..] : line;
    }

    /// <summary>Runs a program; it and its children are killed where that is given up.</summary>
    /// <param name="command">The program and its arguments.</param>
    /// <param name="feed">Writes its standard input; null: it has none.</param>
    /// <param name="limit">How long it may take.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">It cannot be started, or came to a good end before
    /// it had all of its input.</exception>
    /// <exception cref="TimeoutException">It has not ended in time.</exception>
    public static async Task<Result> RunAsync(
        string[] command, Func<Stream, CancellationToken, Task>? feed, TimeSpan limit,
        CancellationToken cancellationToken)
    {
        using var process = Start(command);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        either.CancelAfter(limit);
        try
        {
            var (output, errors) =
                (EndOfAsync(process.StandardOutput, either.Token), EndOfAsync(process.StandardError, either.Token));
            var broken = await FeedAsync(process, feed, either.Token);
            await process.WaitForExitAsync(either.Token);
            var result = new Result(process.ExitCode, await output, await errors);
            // Where it gave up before the end, it says why itself.
            return broken is not null
                && result.Code == 0 ? throw new IOException($"{command[0]}: {broken.Message}", broken) : result;
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"{command[0]} has not ended within {limit.TotalSeconds:0} s", exception);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
                await process.WaitForExitAsync(CancellationToken.None).WaitAsync(Dying, CancellationToken.None)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>The end of what is said.</summary>
    internal static async Task<string> EndOfAsync(TextReader reader, CancellationToken cancellationToken)
    {
        var (text, buffer) = (new StringBuilder(), new char[4096]);
        for (int read; (read = await reader.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            text.Append(buffer, 0, read);
            if (text.Length > Kept)
            {
                text.Remove(0, text.Length - Kept);
            }
        }

        return text.ToString();
    }

    /// <summary>Starts a program whose words are everywhere the same.</summary>
    /// <exception cref="IOException">It cannot be started.</exception>
    internal static Process Start(string[] command)
    {
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["LC_ALL"] = "C" },
        };
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception exception)
        {
            throw new IOException($"{command[0]} cannot be run on this node: {exception.Message}", exception);
        }
    }

    private static async Task<IOException?> FeedAsync(
        Process process, Func<Stream, CancellationToken, Task>? feed, CancellationToken cancellationToken)
    {
        try
        {
            // Closed also where it comes to nothing: the program would wait for the rest.
            await using var input = process.StandardInput.BaseStream;
            await (feed?.Invoke(input, cancellationToken) ?? Task.CompletedTask);
            return null;
        }
        catch (IOException exception)
        {
            return exception;
        }
    }
}
