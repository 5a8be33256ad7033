using System.Text;

namespace PodCheckpointing.Kubectl.Output;

/// <summary>Where a command writes to, and what that can show.</summary>
internal sealed record Terminal(TextWriter Out, TextWriter Error, TextReader In, bool IsInteractive, int Width)
{
    /// <summary>The terminal of this process; a pipe, a file or TERM=dumb gets plain lines.</summary>
    public static Terminal OfProcess()
    {
        var interactive = !Console.IsOutputRedirected
            && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");
        return new Terminal(
            Writer(Console.OpenStandardOutput()), Writer(Console.OpenStandardError()), Console.In, interactive,
            interactive ? Console.WindowWidth : 120);
    }

    // Straight to the stream: the console's own writers cost time at every start.
    private static StreamWriter Writer(Stream stream) => new(stream, new UTF8Encoding(false)) { AutoFlush = true };
}
