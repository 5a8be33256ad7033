using System.Globalization;

namespace PodCheckpointing.Storage.Images;

/// <summary>How each engine recognises a checkpoint image, and what it writes on one: three families of keys.</summary>
/// <remarks>
/// The keys are those of the engines' sources: CRI-O restores a container whose image's manifest has its "name";
/// containerd (2.1 to 2.3) one whose target has "container.name" of checkpointctl's library; Podman one whose
/// "runtime.name" is its own runtime. What nobody recorded at the dump is left out rather than guessed at the
/// conversion.
/// </remarks>
internal static class CheckpointAnnotations
{
    private const string CriO = "io.kubernetes.cri-o.annotations.checkpoint.";
    private const string Podman = "io.podman.annotations.checkpoint.";
    private const string Criu = "org.criu.checkpoint.";

    /// <summary>The annotations of one container's checkpoint.</summary>
    /// <param name="manifest">What was dumped.</param>
    /// <param name="engine">The engine that dumped: "cri-o", "containerd", or empty
    /// where the dump does not say.</param>
    public static SortedDictionary<string, string> Of(ContainerManifest manifest, string engine)
    {
        var (origin, dump) = (manifest.Origin, manifest.Dump ?? new DumpDescription());
        var (runtime, runtimeVersion) = Split(origin.Runtime);
        var image = dump.ImageName.Length > 0 ? dump.ImageName : origin.ImageReference;
        var imageId = dump.ImageDigest.Length > 0 ? dump.ImageDigest : origin.ImageID;
        var criu = CriuNumber(origin.CriuVersion);
        var annotations = new SortedDictionary<string, string>(StringComparer.Ordinal);
        // Podman and CRI-O name the same things alike.
        foreach (var family in new[] { CriO, Podman })
        {
            Add(family + "name", manifest.Container);
            Add(family + "rawImageName", origin.ImageReference);
            Add(family + "rootfsImageID", imageId);
            Add(family + "rootfsImageName", image);
            Add(family + "criu.version", criu);
        }

        Add(Criu + "engine.name", engine);
        Add(Criu + "container.name", manifest.Container);
        Add(Criu + "pod.name", origin.PodName);
        Add(Criu + "pod.namespace", origin.PodNamespace);
        Add(Criu + "rootfsImageUserRequested", origin.ImageReference);
        Add(Criu + "rootfsImageName", image);
        Add(Criu + "rootfsImageID", imageId);
        Add(Criu + "rawImageName", origin.ImageReference);
        Add(Criu + "criu.version", criu);
        foreach (var family in new[] { Podman, Criu })
        {
            Add(family + "runtime.name", runtime);
            Add(family + "runtime.version", runtimeVersion);
            Add(family + "host.arch", origin.Architecture);
            Add(family + "host.kernel", origin.KernelVersion);
        }

        return annotations;

        void Add(string key, string value)
        {
            if (value.Length > 0)
            {
                annotations[key] = value;
            }
        }
    }

    // "crun 1.28"
    private static (string Name, string Version) Split(string runtime) =>
        runtime.Split(' ', 2) is [var name, var version] ? (name, version.Trim()) : (runtime, "");

    // The engines write the number that CRIU answers, 40201 for 4.2.1.
    private static string CriuNumber(string version) =>
        Version.TryParse(version, out var parsed)
            ? ((parsed.Major * 10000) + (parsed.Minor * 100) + Math.Max(parsed.Build, 0)).ToString(
                CultureInfo.InvariantCulture)
            : version;
}
