namespace PodCheckpointing.Agent.Checkpoints;

/// <summary>Tells of bytes at once: what comes later than the end of an operation would stay for ever.</summary>
internal sealed class StoredBytes(Action<long> tell) : IProgress<long>
{
    /// <inheritdoc/>
    public void Report(long value) => tell(value);
}
