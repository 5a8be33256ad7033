namespace PodCheckpointing.Storage;

/// <summary>How a store reads and writes.</summary>
public sealed record StoreOptions
{
    /// <summary>zstd's level, 1 to 19. The default is 1: a checkpoint is in the way of its pod.</summary>
    public int Level { get; init; } = 1;

    /// <summary>Threads that compress or decompress. The default is one for each core, at most 8.</summary>
    public int Workers { get; init; } = Math.Clamp(Environment.ProcessorCount, 1, 8);

    /// <summary>Bytes of the tar in one frame; 0, the default, is the largest of 1, 2 and 4 MiB that keeps the pool
    /// below about 48 MiB.</summary>
    public int FrameSize { get; init; }

    /// <summary>Whether what was written is pushed to the disk and dropped from memory as it goes, so that a dump never
    /// displaces what the node works with. The default is true.</summary>
    public bool DropFromMemory { get; init; } = true;

    /// <summary>Frames in flight: one for each worker, one being filled, one being drained, and one to spare.</summary>
    internal int FramesInFlight => Workers + 3;

    internal int EffectiveFrameSize => FrameSize > 0 ? FrameSize
        : FramesInFlight <= 6 ? 4 << 20
        : FramesInFlight <= 11 ? 2 << 20
        : 1 << 20;

    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Level, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Level, 19);
        ArgumentOutOfRangeException.ThrowIfLessThan(Workers, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(FrameSize);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(FrameSize, Frames.FrameFile.LargestFrame);
    }
}
