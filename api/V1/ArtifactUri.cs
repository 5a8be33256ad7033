using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace PodCheckpointing.Api.V1;

/// <summary>Where a checkpoint is: <c>shared://podUID/checkpointID</c>, or one container's artifact in it,
/// <c>shared://podUID/checkpointID/container/dump.tar.zst</c>.</summary>
/// <remarks>
/// No part can be empty, absolute, hidden or "..", so a URI that was read may be joined to a folder's path without a
/// second look. There is exactly one text for one artifact.
/// </remarks>
public sealed partial record ArtifactUri
{
    private const string Scheme = "shared://";
    private const string FileName = "dump.tar.zst";
    private const string Remedy =
        $"write shared://<podUID>/<checkpointID>, or shared://<podUID>/<checkpointID>/<container>/{FileName} "
        + "for one container";

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

    /// <summary>A new checkpoint's id: UTC time and a random tail, lower case, sortable.</summary>
    public static string NewCheckpointId(TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        return CheckpointIdOf(time.GetUtcNow().UtcDateTime, RandomNumberGenerator.GetHexString(6, lowercase: true));
    }

    /// <summary>The id of the one checkpoint that an object asks for: when it was created, and
    /// the beginning of its uid.</summary>
    /// <remarks>So it is known before the checkpoint is, and the same to everybody who asks.</remarks>
    public static string CheckpointIdOf(DateTime created, string uid)
    {
        ArgumentNullException.ThrowIfNull(uid);
        return $"{created.ToUniversalTime().ToString("yyyyMMdd't'HHmmss'z'", CultureInfo.InvariantCulture)}-{uid[..6]}";
    }

    /// <summary>The URI of a whole pod's checkpoint.</summary>
    public static ArtifactUri ForPod(string podUid, string checkpointId) => Parse($"{Scheme}{podUid}/{checkpointId}");

    /// <summary>The URI of one container's artifact.</summary>
    public static ArtifactUri ForContainer(string podUid, string checkpointId, string container) =>
        Parse($"{Scheme}{podUid}/{checkpointId}/{container}/{FileName}");

    /// <summary>Reads a URI, strictly.</summary>
    /// <exception cref="FormatException">It is not one; the message names the part and what to write.</exception>
    public static ArtifactUri Parse(string? text) =>
        TryParse(text, out var uri, out var error) ? uri : throw new FormatException(error);

    /// <summary>Reads a URI, strictly; false when it is not one.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out ArtifactUri? uri) =>
        TryParse(text, out uri, out _);

    /// <summary>Reads a URI, strictly; false, and what is wrong and what to write, when it is not one.</summary>
    public static bool TryParse(
        string? text,
        [NotNullWhen(true)] out ArtifactUri? uri,
        [NotNullWhen(false)] out string? error)
    {
        uri = null;
        if (text is null || text.Length > 512 || !text.StartsWith(Scheme, StringComparison.Ordinal))
        {
            error = $"artifact URI \"{Shown(text)}\" does not begin with {Scheme}, or is too long: {Remedy}";
            return false;
        }

        var parts = text[Scheme.Length..].Split('/');
        var wrong = parts switch
        {
            not ({ Length: 2 } or { Length: 4 }) => $"{parts.Length} parts",
            _ when !Uid().IsMatch(parts[0]) => $"\"{Shown(parts[0])}\" as pod UID",
            _ when !Id().IsMatch(parts[1]) => $"\"{Shown(parts[1])}\" as checkpoint ID",
            { Length: 4 } when !Label().IsMatch(parts[2]) => $"\"{Shown(parts[2])}\" as container",
            { Length: 4 } when parts[3] != FileName => $"\"{Shown(parts[3])}\" as file",
            _ => null,
        };
        if (wrong is not null)
        {
            error = $"artifact URI \"{Shown(text)}\" has {wrong}: {Remedy}";
            return false;
        }

        error = null;
        uri = new ArtifactUri(parts[0], parts[1], parts.Length == 4 ? parts[2] : null);
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() =>
        Container is null
            ? $"{Scheme}{PodUid}/{CheckpointId}"
            : $"{Scheme}{PodUid}/{CheckpointId}/{Container}/{FileName}";

    // The text may come from anybody's annotation and goes into logs and conditions: bounded, no control characters.
    private static string Shown(string? text) =>
        string.Concat((text ?? "").Take(256).Select(c => char.IsControl(c) || c == '"' ? '?' : c));

    // \z and not $, which also matches before a last newline.
    [GeneratedRegex(@"\A[0-9a-f][-0-9a-f]{0,62}\z")]
    private static partial Regex Uid();

    [GeneratedRegex(@"\A[0-9]{8}t[0-9]{6}z-[0-9a-z]{6}\z")]
    private static partial Regex Id();

    [GeneratedRegex(@"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\z")]
    private static partial Regex Label();
}
