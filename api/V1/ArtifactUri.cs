using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace PodCheckpointing.Api.V1;

/// <summary>Where a checkpoint is: <c>shared://podUID/checkpointID</c>, or one container's artifact in it,
/// <c>shared://podUID/checkpointID/container/dump.tar.zst</c>.</summary>
public sealed partial record ArtifactUri
{
    private const string Scheme = "shared://";
    private const string FileName = "dump.tar.zst";

    private ArtifactUri(string podUid, string checkpointId, string? container)
    {
        PodUid = podUid;
        CheckpointId = checkpointId;
        Container = container;
    }

    /// <summary>The pod's uid.</summary>
    public string PodUid { get; }

    /// <summary>The checkpoint's id.</summary>
    public string CheckpointId { get; }

    /// <summary>The container; null for the whole pod.</summary>
    public string? Container { get; }

    /// <summary>The URI of a whole pod's checkpoint.</summary>
    public static ArtifactUri ForPod(string podUid, string checkpointId) => Parse($"{Scheme}{podUid}/{checkpointId}");

    /// <summary>The URI of one container's artifact.</summary>
    public static ArtifactUri ForContainer(string podUid, string checkpointId, string container) =>
        Parse($"{Scheme}{podUid}/{checkpointId}/{container}/{FileName}");

    /// <summary>Reads a URI, strictly.</summary>
    /// <exception cref="FormatException">It is not one; the message says what one looks like.</exception>
    public static ArtifactUri Parse(string? text) =>
        TryParse(text, out var uri)
            ? uri
            : throw new FormatException(
                $"artifact URI \"{text}\" is not valid: write shared://<podUID>/<checkpointID>, "
                + $"or shared://<podUID>/<checkpointID>/<container>/{FileName} for one container");

    /// <summary>Reads a URI, strictly; false when it is not one.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out ArtifactUri? uri)
    {
        uri = null;
        if (text is null || text.Length > 512 || !text.StartsWith(Scheme, StringComparison.Ordinal))
        {
            return false;
        }

        var parts = text[Scheme.Length..].Split('/');
        if (parts.Length is not (2 or 4) || !Uid().IsMatch(parts[0]) || !Id().IsMatch(parts[1])
            || (parts.Length == 4 && (!Label().IsMatch(parts[2]) || parts[3] != FileName)))
        {
            return false;
        }

        uri = new ArtifactUri(parts[0], parts[1], parts.Length == 4 ? parts[2] : null);
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() =>
        Container is null ? $"{Scheme}{PodUid}/{CheckpointId}" : $"{Scheme}{PodUid}/{CheckpointId}/{Container}/{FileName}";

    [GeneratedRegex(@"\A[0-9a-f][-0-9a-f]{0,62}\z")]
    private static partial Regex Uid();

    [GeneratedRegex(@"\A[0-9]{8}t[0-9]{6}z-[0-9a-z]{6}\z")]
    private static partial Regex Id();

    [GeneratedRegex(@"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\z")]
    private static partial Regex Label();
}
