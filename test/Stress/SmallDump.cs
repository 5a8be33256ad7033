using System.Formats.Tar;
using System.Globalization;

namespace PodCheckpointing.Stress;

/// <summary>Checkpoint archives of a few kilobytes, always the same ones for the same number.</summary>
internal static class SmallDump
{
    /// <summary>The containers of every small checkpoint.</summary>
    public static readonly string[] Containers = ["main", ".volumes/data"];

    public static string IdOf(int number) =>
        string.Create(CultureInfo.InvariantCulture, $"20260101t000000z-{number:x6}");

    public static byte[] Archive(string container, int number)
    {
        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, TarEntryFormat.Ustar, leaveOpen: true))
        {
            foreach (var name in container == "main"
                ? new[] { "checkpoint/inventory.img", "checkpoint/pages-1.img", "config.dump", "spec.dump" }
                : ["file"])
            {
                tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, name)
                {
                    DataStream = new MemoryStream(Content(name, number)),
                    ModificationTime = DateTimeOffset.UnixEpoch,
                });
            }
        }

        return stream.ToArray();
    }

    private static byte[] Content(string name, int number)
    {
        if (name.EndsWith(".dump", StringComparison.Ordinal))
        {
            return "{}"u8.ToArray();
        }

        var content = new byte[3000];
        new Random(number).NextBytes(content.AsSpan(0, 2000));
        return content;
    }
}
