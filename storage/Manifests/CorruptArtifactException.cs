namespace PodCheckpointing.Storage;

/// <summary>An artifact that is not what its manifest says, or no checkpoint at all.</summary>
public sealed class CorruptArtifactException(string message, Exception? inner = null) : Exception(message, inner);
