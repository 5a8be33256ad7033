namespace PodCheckpointing.Storage.Maintenance;

/// <summary>Something in a store that no checkpoint needs.</summary>
/// <param name="Path">Where, from the store's root.</param>
/// <param name="Why">What it is.</param>
/// <param name="Bytes">What its files take.</param>
/// <param name="Removed">Whether it is gone; false also where it was only looked for.</param>
/// <param name="Kept">Why it was left, where it was old enough; otherwise empty.</param>
public sealed record Leftover(string Path, string Why, long Bytes, bool Removed, string Kept = "");

/// <summary>What a sweep does.</summary>
public sealed record SweepOptions
{
    /// <summary>What was changed more recently is left alone. The default is one hour.</summary>
    public TimeSpan Age { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Whether it removes; otherwise it only says what it would remove, and changes
    /// nothing. The default is false.</summary>
    public bool Remove { get; init; }

    /// <summary>Whether checkpoints without a marker go as a whole. Otherwise only partial files and empty folders do,
    /// which no retry continues. The default is true.</summary>
    public bool Unfinished { get; init; } = true;

    /// <summary>Nothing is done when anybody swept the volume more recently. The default is zero: always.</summary>
    public TimeSpan Every { get; init; }

    /// <summary>Says of a pod that a dump of it is under way: nothing of it is touched.</summary>
    public Func<string, bool> UnderWay { get; init; } = _ => false;
}
