namespace PodCheckpointing.Storage.Archives;

/// <summary>What an entry of an archive is.</summary>
public enum ArchiveEntryType
{
    /// <summary>A regular file.</summary>
    File,

    /// <summary>A further name of a file before it.</summary>
    HardLink,

    /// <summary>A symbolic link.</summary>
    SymbolicLink,

    /// <summary>A character device.</summary>
    CharacterDevice,

    /// <summary>A block device.</summary>
    BlockDevice,

    /// <summary>A folder.</summary>
    Directory,

    /// <summary>A named pipe.</summary>
    Fifo,

    /// <summary>Something that is stored as it is, and cannot be extracted.</summary>
    Other,
}

/// <summary>One entry of a tar, with what its extended headers say already applied.</summary>
public sealed record ArchiveEntry
{
    /// <summary>Its name, as the archive has it.</summary>
    public string Name { get; init; } = "";

    /// <summary>What it is.</summary>
    public ArchiveEntryType Type { get; init; }

    /// <summary>Bytes of its content.</summary>
    public long Size { get; init; }

    /// <summary>Its permission bits, with set-user-id, set-group-id and sticky.</summary>
    public int Mode { get; init; }

    /// <summary>The owner's number.</summary>
    public uint UserId { get; init; }

    /// <summary>The group's number.</summary>
    public uint GroupId { get; init; }

    /// <summary>When it was last changed, in nanoseconds since 1970.</summary>
    public Int128 ModifiedNanoseconds { get; init; }

    /// <summary>What a link leads to.</summary>
    public string LinkName { get; init; } = "";

    /// <summary>The major number of a device.</summary>
    public uint DeviceMajor { get; init; }

    /// <summary>The minor number of a device.</summary>
    public uint DeviceMinor { get; init; }

    /// <summary>Extended attributes, as bytes.</summary>
    public IReadOnlyDictionary<string, ReadOnlyMemory<byte>> ExtendedAttributes { get; init; } =
        System.Collections.Immutable.ImmutableDictionary<string, ReadOnlyMemory<byte>>.Empty;

    /// <summary>Where its content begins in the tar.</summary>
    public long Offset { get; init; }

    /// <summary>Its name without a leading "./" and a trailing slash, by which it is looked up.</summary>
    public string Path => (Name.StartsWith("./", StringComparison.Ordinal) ? Name[2..] : Name).TrimEnd('/');

    // Names are bytes to Linux, and not always UTF-8.
    internal ReadOnlyMemory<byte> RawName { get; init; }

    internal ReadOnlyMemory<byte> RawLinkName { get; init; }
}

/// <summary>Is told what an archive holds as it streams by.</summary>
internal interface IArchiveVisitor
{
    /// <summary>An entry begins.</summary>
    void Begin(ArchiveEntry entry);

    /// <summary>A piece of its content.</summary>
    void Data(ReadOnlySpan<byte> bytes);

    /// <summary>The entry ends.</summary>
    void End();
}
