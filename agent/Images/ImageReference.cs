using System.Net;
using System.Text.RegularExpressions;

namespace PodCheckpointing.Agent.Images;

/// <summary>An image's name with its registry spelled out: host[:port]/repository[:tag].</summary>
/// <remarks>A name without a host means another registry to every tool; for a process'
/// memory that is no detail.</remarks>
internal sealed partial record ImageReference(string Host, string Repository, string Tag)
{
    /// <summary>A registry on this machine may be spoken to in plain HTTP.</summary>
    public bool IsLocal =>
        Port().Replace(Host, "") is var name
        && (name == "localhost" || (IPAddress.TryParse(name, out var address) && IPAddress.IsLoopback(address)));

    /// <summary>Reads a name.</summary>
    /// <exception cref="FormatException">It is none, names no host, or carries a digest.</exception>
    public static ImageReference Parse(string text)
    {
        var match = Name().Match(text);
        return match.Success && text.Length <= 512
            ? new ImageReference(
                match.Groups["host"].Value,
                match.Groups["repository"].Value,
                match.Groups["tag"] is { Success: true, Value: var tag } ? tag : "latest")
            : throw new FormatException(
                $"image_reference \"{text}\" is not host[:port]/repository[:tag], with the registry's host spelled "
                + "out and without a digest");
    }

    public override string ToString() => $"{Host}/{Repository}:{Tag}";

    // The grammar of distribution's reference package, with a host that cannot be taken for a part of the repository.
    [GeneratedRegex(
        @"\A(?<host>(localhost|[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)+"
        + @"|[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?=:\d)|\[[0-9a-fA-F:]+\])(?::\d{1,5})?)"
        + @"/(?<repository>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
        + @"(?::(?<tag>[\w][\w.-]{0,127}))?\z",
        RegexOptions.ECMAScript)]
    private static partial Regex Name();

    [GeneratedRegex(@":\d+\z")]
    private static partial Regex Port();
}
