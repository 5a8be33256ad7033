using System.Globalization;

namespace PodCheckpointing.Api.V1;

/// <summary>Compares versions of programs as they name themselves: 4.2, 6.18.44-fc, 5.14.0-427.el9.x86_64.</summary>
public static class Versions
{
    /// <summary>Whether the first numbers of one version are less than those of another. What does not begin with a
    /// number, or is empty, is not older than anything.</summary>
    /// <param name="version">The one.</param>
    /// <param name="than">The other.</param>
    /// <param name="parts">How many numbers count; those that are missing are 0.</param>
    public static bool IsOlder(string? version, string? than, int parts)
    {
        var (mine, its) = (Numbers(version, parts), Numbers(than, parts));
        return mine.Length > 0 && its.Length > 0
            && mine.Zip(its, (a, b) => a.CompareTo(b)).FirstOrDefault(c => c != 0) < 0;
    }

    private static int[] Numbers(string? version, int parts)
    {
        var numbers = (version ?? "")
            .Split('.', '-', '+', '~')
            .TakeWhile(p => int.TryParse(p, NumberStyles.None, CultureInfo.InvariantCulture, out _))
            .Select(p => int.Parse(p, CultureInfo.InvariantCulture)).Take(parts).ToList();
        return numbers.Count == 0 ? [] : [.. numbers, .. Enumerable.Repeat(0, parts - numbers.Count)];
    }
}
