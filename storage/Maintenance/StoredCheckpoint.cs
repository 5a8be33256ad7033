namespace PodCheckpointing.Storage.Maintenance;

/// <summary>What lies under one checkpoint's folder, as far as it can be read.</summary>
/// <param name="PodUID">The first folder.</param>
/// <param name="CheckpointID">The second folder.</param>
/// <param name="Complete">Whether the marker is there: without it the checkpoint does not exist.</param>
/// <param name="Bytes">What all its files take on the volume.</param>
/// <param name="LastWritten">The youngest change below the folder.</param>
/// <param name="Manifests">Every manifest that can be read.</param>
public sealed record StoredCheckpoint(
    string PodUID,
    string CheckpointID,
    bool Complete,
    long Bytes,
    DateTime LastWritten,
    IReadOnlyList<ContainerManifest> Manifests)
{
    /// <summary>The pod's namespace, or "" where no manifest says.</summary>
    public string Namespace => Manifests.Select(m => m.Origin.PodNamespace).FirstOrDefault(n => n.Length > 0) ?? "";

    /// <summary>The pod's name, or "" where no manifest says.</summary>
    public string PodName => Manifests.Select(m => m.Origin.PodName).FirstOrDefault(n => n.Length > 0) ?? "";

    /// <summary>Names it within its store.</summary>
    public override string ToString() => $"{PodUID}/{CheckpointID}";
}

/// <summary>Something in a store that is not as it should be.</summary>
/// <param name="Path">Where, from the store's root.</param>
/// <param name="Problem">What.</param>
/// <param name="Broken">True where a complete checkpoint cannot be trusted; false for what is
/// only unfinished or strange.</param>
public sealed record Finding(string Path, string Problem, bool Broken);
