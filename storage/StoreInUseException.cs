namespace PodCheckpointing.Storage;

/// <summary>Somebody writes, moves or removes a checkpoint at this moment: the volume
/// works, and later it can be had.</summary>
public sealed class StoreInUseException(string message, Exception? inner = null) : IOException(message, inner);
