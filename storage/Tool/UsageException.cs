namespace PodCheckpointing.Storage.Tool;

/// <summary>What was asked for cannot be done; the message names the value and what would be right.</summary>
internal sealed class UsageException(string message) : Exception(message);
