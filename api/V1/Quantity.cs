using System.Globalization;

namespace PodCheckpointing.Api.V1;

/// <summary>Amounts as Kubernetes writes them: 100m, 1.5, 64Mi, 2e3.</summary>
public static class Quantity
{
    private static readonly Dictionary<string, decimal> Suffixes = new(StringComparer.Ordinal)
    {
        ["n"] = 1e-9m, ["u"] = 1e-6m, ["m"] = 1e-3m, [""] = 1,
        ["k"] = 1e3m, ["M"] = 1e6m, ["G"] = 1e9m, ["T"] = 1e12m, ["P"] = 1e15m, ["E"] = 1e18m,
        ["Ki"] = 1L << 10,
        ["Mi"] = 1L << 20, ["Gi"] = 1L << 30, ["Ti"] = 1L << 40, ["Pi"] = 1L << 50, ["Ei"] = 1L << 60,
    };

    private static readonly (decimal Size, string Suffix)[] Binary =
        [(1L << 40, "TiB"), (1L << 30, "GiB"), (1L << 20, "MiB"), (1L << 10, "KiB"), (1, "bytes")];

    /// <summary>The number that a quantity stands for.</summary>
    /// <returns>Whether it is a quantity.</returns>
    public static bool TryParse(string? text, out decimal number)
    {
        text ??= "";
        var suffix = text.Length - text.AsSpan().TrimEnd("numkMGTPEi").Length;
        number = 0;
        // An exponent ends in a digit.
        if (!Suffixes.TryGetValue(text[(text.Length - suffix)..], out var factor)
            || !decimal.TryParse(
                text[..^suffix],
                NumberStyles.Float & ~NumberStyles.AllowLeadingWhite & ~NumberStyles.AllowTrailingWhite,
                CultureInfo.InvariantCulture,
                out var digits))
        {
            return false;
        }

        try
        {
            number = digits * factor;
            return true;
        }
        catch (OverflowException)
        {
            return false;
        }
    }

    /// <summary>A number of bytes for people, such as 1.5 GiB.</summary>
    public static string OfBytes(decimal bytes)
    {
        var (size, suffix) = Binary.FirstOrDefault(b => bytes >= b.Size, Binary[^1]);
        return string.Create(CultureInfo.InvariantCulture, $"{bytes / size:0.#} {suffix}");
    }
}
