using System.Text.RegularExpressions;

namespace Grpc.Core;

/// <summary>Headers or trailers of a call; names are lower case, values are printable ASCII.</summary>
public sealed partial class Metadata : List<Metadata.Entry>
{
    /// <summary>Adds one entry.</summary>
    /// <exception cref="ArgumentException">The name or the value cannot travel.</exception>
    public void Add(string key, string value) => Add(new Entry(key, value));

    /// <summary>The first value under a name, or null.</summary>
    public string? GetValue(string key) => Find(e => e.Key == key)?.Value;

    /// <summary>One name with one value.</summary>
    public sealed class Entry
    {
        /// <summary>An entry; the name becomes lower case.</summary>
        /// <exception cref="ArgumentException">The name or the value cannot travel.</exception>
        public Entry(string key, string value)
        {
            Key = key.ToLowerInvariant();
            Value = value;
            if (!KeyPattern().IsMatch(Key))
            {
                throw new ArgumentException($"\"{key}\" is no metadata name", nameof(key));
            }

            if (!ValuePattern().IsMatch(value))
            {
                throw new ArgumentException($"the value of {key} is not printable ASCII", nameof(value));
            }
        }

        // What a peer sent is taken as it came.
        internal Entry((string Key, string Value) received)
        {
            Key = received.Key.ToLowerInvariant();
            Value = received.Value;
        }

        /// <summary>The name.</summary>
        public string Key { get; }

        /// <summary>The value; of names that end in "-bin", base64.</summary>
        public string Value { get; }
    }

    // Names that belong to the protocol are not the application's.
    internal static bool IsReserved(string key) =>
        key.StartsWith("grpc-", StringComparison.OrdinalIgnoreCase)
        || key.StartsWith(':')
        || key.Equals("content-type", StringComparison.OrdinalIgnoreCase)
        || key.Equals("te", StringComparison.OrdinalIgnoreCase);

    [GeneratedRegex(@"^[a-z0-9._-]+\z", RegexOptions.CultureInvariant)]
    private static partial Regex KeyPattern();

    [GeneratedRegex(@"^[ -~]*\z", RegexOptions.CultureInvariant)]
    private static partial Regex ValuePattern();
}
