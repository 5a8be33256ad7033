using System.Globalization;

namespace PodCheckpointing.TestKubelet.Pods;

/// <summary>Kubernetes quantities: 100m, 1.5, 64Mi, 2G.</summary>
internal static class Quantity
{
    private static readonly Dictionary<string, decimal> Suffixes = new(StringComparer.Ordinal)
    {
        ["m"] = 0.001m, [""] = 1, ["k"] = 1e3m, ["M"] = 1e6m, ["G"] = 1e9m, ["T"] = 1e12m,
        ["Ki"] = 1L << 10, ["Mi"] = 1L << 20, ["Gi"] = 1L << 30, ["Ti"] = 1L << 40,
    };

    /// <exception cref="NotSupportedException">It is none.</exception>
    public static decimal Parse(string text)
    {
        var digits = text.TrimEnd("imkMGTK".ToCharArray());
        return Suffixes.TryGetValue(text[digits.Length..], out var factor)
            && decimal.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
                ? number * factor
                : throw new NotSupportedException($"\"{text}\" is no quantity like 100m or 64Mi");
    }
}
