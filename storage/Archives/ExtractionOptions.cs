namespace PodCheckpointing.Storage.Archives;

/// <summary>What an extraction may make.</summary>
public sealed record ExtractionOptions
{
    /// <summary>Files and folders only, which is all that a checkpoint of CRIU
    /// consists of; links are refused.</summary>
    public static ExtractionOptions FilesOnly { get; } = new() { Links = false };

    /// <summary>Everything that belongs to a file system but devices: for content of
    /// volumes and root file systems.</summary>
    public static ExtractionOptions Everything { get; } = new();

    /// <summary>Whether symbolic links, hard links and named pipes are made. No link is ever
    /// followed. The default is true.</summary>
    public bool Links { get; init; } = true;

    /// <summary>Whether devices are made; otherwise they are refused. The default is false.</summary>
    public bool Devices { get; init; }

    /// <summary>Whether owners are set. The default is true for root, who alone may.</summary>
    public bool Owners { get; init; } = Environment.IsPrivilegedProcess;
}
