namespace PodCheckpointing.Agent.Images;

/// <summary>What the making of images logs. Event ids 5050–5059.</summary>
internal static partial class ImageLog
{
    [LoggerMessage(
        5050, LogLevel.Information,
        "Made {Artifact} the image {Image}, {Digest}: {Bytes} bytes moved in {Milliseconds:F0} ms")]
    public static partial void Converted(
        ILogger logger, string artifact, ImageReference image, string digest, ulong bytes, double milliseconds);
}
