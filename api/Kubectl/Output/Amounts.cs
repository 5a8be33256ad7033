using System.Globalization;
using System.Text.RegularExpressions;

namespace PodCheckpointing.Kubectl.Output;

/// <summary>Times and sizes, for people and from them.</summary>
internal static partial class Amounts
{
    private static readonly string[] Units = ["KiB", "MiB", "GiB", "TiB"];

    /// <summary>"3m4s", "1.5s", "250ms" or plain seconds; null when it is none of these.</summary>
    public static TimeSpan? ParseDuration(string text)
    {
        if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds))
        {
            return seconds <= 1e9 ? TimeSpan.FromSeconds(seconds) : null;
        }

        if (!Duration().IsMatch(text))
        {
            return null;
        }

        var total = Part().Matches(text).Sum(part =>
            double.Parse(part.Groups[1].Value, CultureInfo.InvariantCulture) * part.Groups[2].Value switch
            {
                "h" => 3600,
                "m" => 60,
                "s" => 1,
                _ => 0.001,
            });
        return total <= 1e9 ? TimeSpan.FromSeconds(total) : null;
    }

    /// <summary>A duration with as much precision as one wants to read.</summary>
    public static string Duration(TimeSpan? time) => time switch
    {
        null => "",
        { TotalSeconds: < 1 } t => Text($"{Math.Round(t.TotalMilliseconds):0}ms"),
        { TotalSeconds: < 60 } t => Text($"{t.TotalSeconds:0.0}s"),
        { TotalMinutes: < 60 } t => Text($"{(int)t.TotalMinutes}m{t.Seconds}s"),
        { TotalHours: < 48 } t => Text($"{(int)t.TotalHours}h{t.Minutes}m"),
        { } t => Text($"{(int)t.TotalDays}d{t.Hours}h"),
    };

    /// <summary>How old something is, as kubectl says it.</summary>
    public static string Age(DateTime? since, DateTime now) => since is not { } then
        ? "<unknown>"
        : (now - then) switch
        {
            { TotalSeconds: < 0 } => "0s",
            { TotalSeconds: < 120 } t => Text($"{(int)t.TotalSeconds}s"),
            { TotalMinutes: < 120 } t => Text($"{(int)t.TotalMinutes}m"),
            { TotalHours: < 48 } t => Text($"{(int)t.TotalHours}h"),
            var t => Text($"{(int)t.TotalDays}d"),
        };

    /// <summary>A size, rounded.</summary>
    public static string Bytes(long? bytes)
    {
        if (bytes is not { } value)
        {
            return "";
        }

        if (value < 1024)
        {
            return Text($"{value} B");
        }

        var (amount, unit) = (value / 1024.0, 0);
        for (; amount >= 1024 && unit < Units.Length - 1; unit++)
        {
            amount /= 1024;
        }

        return Text($"{amount:0.0} {Units[unit]}");
    }

    /// <summary>A size, rounded and exact.</summary>
    public static string ExactBytes(long? bytes) =>
        bytes is { } b and >= 1024 ? Text($"{Bytes(b)} ({b} bytes)") : Bytes(bytes);

    /// <summary>Bytes per second, or nothing when one of the two is not known.</summary>
    public static string Rate(long? bytes, TimeSpan? time) =>
        bytes is { } b && time is { TotalMilliseconds: >= 1 } t ? Bytes((long)(b / t.TotalSeconds)) + "/s" : "";

    private static string Text(FormattableString text) => FormattableString.Invariant(text);

    [GeneratedRegex(@"\A([0-9]+(\.[0-9]+)?(h|ms|m|s))+\z")]
    private static partial Regex Duration();

    [GeneratedRegex(@"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s)")]
    private static partial Regex Part();
}
