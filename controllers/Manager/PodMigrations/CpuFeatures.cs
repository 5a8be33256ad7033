namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Features of processors that a running program may rely on.</summary>
/// <remarks>
/// Programs look for them at their start and use them ever since: one that goes on without them is killed by its first
/// such instruction, which CRIU does not foresee unless the dump was made with cpu-cap. These are the states and
/// instructions that CRIU compares then (cpu-cap=fpu,ins), and the newer ones of the same kinds; without those that
/// only make something faster, or that only the kernel uses. Names as in /proc/cpuinfo.
/// </remarks>
internal static class CpuFeatures
{
    /// <summary>Families with many members, by their beginnings.</summary>
    private static readonly string[] Families = ["avx", "amx", "xsave", "sse", "sha"];

    private static readonly HashSet<string> Others = new(StringComparer.Ordinal)
    {
        "fpu", "fxsr",
        "cx8", "cx16", "cmov", "mmx", "mmxext", "pni", "ssse3", "3dnow", "3dnowext", "misalignsse", "xop", "tbm",
        "popcnt", "abm",
        "bmi1", "bmi2", "adx", "movbe", "lahf_lm", "rdtscp", "rdpid", "rdrand", "rdseed", "rtm", "mpx", "pku", "ospke",
        "aes", "vaes",
        "pclmulqdq", "vpclmulqdq", "gfni", "f16c", "fma", "fma4", "fsgsbase", "xgetbv1", "clflushopt", "clwb", "clzero",
        "movdiri", "movdir64b", "enqcmd", "serialize", "waitpkg", "user_shstk",
    };

    /// <summary>What the source has and the target does not.</summary>
    public static IReadOnlyList<string> Missing(
        string architecture, IReadOnlyCollection<string> source, IReadOnlyCollection<string> target) =>
        // Older agents tell none.
        source.Count == 0 || target.Count == 0
            ? []
            : [.. source.Except(target)
                .Where(f => architecture != "amd64" || IsReliedOn(f))
                .Order(StringComparer.Ordinal)];

    /// <summary>On other architectures the kernel names to programs only what they may use.</summary>
    private static bool IsReliedOn(string feature) =>
        Others.Contains(feature)
        || Array.Exists(Families, family => feature.StartsWith(family, StringComparison.Ordinal));
}
