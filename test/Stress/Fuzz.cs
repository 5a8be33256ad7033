using System.Formats.Tar;
using System.Text;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Archives;
using PodCheckpointing.Storage.Frames;

namespace PodCheckpointing.Stress;

/// <summary>Damaged input for every parser of a store. A parser refuses it with its own exception,
/// or reads it; nothing else.</summary>
internal static class Fuzz
{
    private static readonly string[] JsonWords =
    [
        "null",
        "{}",
        "[]",
        "\"\"",
        "\"\\ud800\"",
        "\"\\u0000\"",
        ",",
        ":",
        "}",
        "]",
        "true",
        "\"frames\":[{\"size\":1,\"compressedSize\":1}],",
        "\"schemaVersion\":1,",
        "[[[[[[[[",
    ];

    private static readonly string[] UriWords =
    [
        "..", "/", "//", "%2e", "shared://", "dump.tar.zst", "\n", "\0", "-", "A", "ä", "@", "?", "#", ":",
    ];
    private static readonly string[] TarWords =
    [
        "ustar\0",
        "ustar  \0",
        "../",
        "/",
        "\0",
        "12 path=../x\n",
        "30 GNU.sparse.major=1\n",
        "16 size=-000001\n",
        "\u0080",
    ];
    private static readonly byte[] Manifest = ManifestJson.Write(new ContainerManifest
    {
        PodUID = "7c9e6679",
        CheckpointID = SmallDump.IdOf(1), Container = "main", Size = 5000, Digest = "sha256:" + new string('a', 64),
        CompressedSize = 300,
        CompressedDigest = "sha256:" + new string('b', 64), Frames = [new Frame(4096, 200), new Frame(904, 100)],
        Entries = 4, Origin = new Origin { PodNamespace = "shop", CpuFeatures = ["avx2"] },
        Criu = new CriuStatistics { FrozenMicroseconds = 5 },
        Dump = new DumpDescription { Runtime = "crun", Mounts = [new MountPoint { Destination = "/proc" }] },
        CreatedAt = DateTime.UnixEpoch,
    });

    private static readonly byte[] Marker = ManifestJson.Write(new CheckpointMarker
    {
        Manifests = new Dictionary<string, string> { ["main"] = "sha256:" + new string(
            'a', 64), [".volumes/data"] = "sha256:" + new string('b', 64) },
    });

    private static readonly string[] Uris =
    [
        "shared://7c9e6679-7425-40de-944b-e07fc1f90ae7/20261121t003412z-7f3a9c",
        "shared://7c9e6679/20261121t003412z-7f3a9c/main/dump.tar.zst",
    ];

    private static readonly byte[] Configuration = """
        {"id":"a","name":"main","rootfsImageName":"b","rootfsImageRef":"c","runtime":"crun","checkpointedTime":"2026-01-01T00:00:00Z",
        "mounts":[{"destination":"/proc","type":"proc","source":"proc","options":["ro","nosuid"]}]}
        """u8.ToArray();

    private static readonly byte[] Statistics =
    [
        0x40, 0x59, 0x10,
        0x55, 0x06, 0x33, 0x09, 0x57, 14, 0, 0, 0, 0x0a, 12, 8, 100, 16, 0x80, 1, 24, 7, 32, 9, 40, 50, 56, 35,
    ];

    private static readonly byte[][] Tars =
    [
        Tar(TarEntryFormat.Ustar),
        Tar(TarEntryFormat.Pax),
        Tar(TarEntryFormat.Gnu),
        SmallDump.Archive("main", 1),
    ];

    public static IReadOnlyDictionary<string, Action<int, int>> Targets { get; } =
        new Dictionary<string, Action<int, int>>
        {
            ["manifest"] = (seed, number) => ReadsManifest(Damaged(seed, number, Manifest, JsonWords)),
            ["marker"] = (seed, number) => ReadsMarker(Damaged(seed, number, Marker, JsonWords)),
            ["uri"] = (seed, number) => ReadsUri(Encoding.Latin1.GetString(
                Damaged(seed, number, Encoding.Latin1.GetBytes(Uris[number % Uris.Length]), UriWords))),
            ["dump"] = (seed, number) => DumpDescription.From(
                Damaged(seed, number, Configuration, JsonWords), Damaged(seed, number + 1, Configuration, JsonWords)),
            ["statistics"] =
                (seed, number) => CriuStatistics.From(
                    Damaged(seed, number, Statistics, ["\u00ff", "\u0080", "\u0008"])),
            ["tar"] = ReadsTar,
        };

    private static byte[] Damaged(int seed, int number, byte[] whole, string[] words) =>
        new Mutation(new Random(HashCode(seed, number))).Of(whole, words);

    private static int HashCode(int seed, int number) => unchecked((seed * 1_000_003) + number);

    private static void ReadsManifest(byte[] bytes)
    {
        ContainerManifest manifest;
        try
        {
            manifest = ManifestJson.ReadManifest(bytes, "manifest.json");
        }
        catch (CorruptArtifactException)
        {
            return;
        }

        var again = ManifestJson.Write(manifest);
        var third = ManifestJson.Write(ManifestJson.ReadManifest(again, "manifest.json"));
        Must(
            third.AsSpan().SequenceEqual(again),
            $"{Encoding.UTF8.GetString(again)} changes to {Encoding.UTF8.GetString(third)} when it is written again");
        try
        {
            using var file = new FrameFile("/nowhere/dump.tar.zst", manifest);
        }
        catch (CorruptArtifactException)
        {
            // At the latest, because there is no file.
        }
    }

    private static void ReadsMarker(byte[] bytes)
    {
        try
        {
            var again = ManifestJson.Write(ManifestJson.ReadMarker(bytes, "marker"));
            Must(ManifestJson.Write(ManifestJson.ReadMarker(again, "marker"))
                .AsSpan()
                .SequenceEqual(again), "a marker changes when it is written again");
        }
        catch (CorruptArtifactException)
        {
            // Refused.
        }
    }

    private static void ReadsUri(string text)
    {
        if (ArtifactUri.TryParse(text, out var uri, out var error))
        {
            Must(uri.ToString() == text, $"\"{text}\" is read as {uri}");
            var folder = Path.GetFullPath(Path.Combine("/store", uri.PodUid, uri.CheckpointId, uri.Container ?? ""));
            Must(folder.StartsWith(
                $"/store/{uri.PodUid}/{uri.CheckpointId}", StringComparison.Ordinal), $"\"{text}\" leads to {folder}");
            new CheckpointStore("/store", TimeProvider.System).FolderOf(uri.PodUid, uri.CheckpointId, uri.Container);
        }
        else
        {
            Must(error.Length > 0 && !error.Any(char.IsControl), $"\"{text}\" is refused with \"{error}\"");
        }
    }

    private static void ReadsTar(int seed, int number)
    {
        var random = new Random(HashCode(seed, number));
        var bytes = new Mutation(random).Of(Tars[number % Tars.Length], TarWords);
        // Behind a right checksum is where the parser is believed.
        for (var at = 0; at + TarHeader.Block <= bytes.Length && random.Next(4) > 0; at += TarHeader.Block)
        {
            if (bytes.AsSpan(at + 257, 5).SequenceEqual("ustar"u8))
            {
                Sign(bytes.AsSpan(at, TarHeader.Block));
            }
        }

        var whole = Walk(bytes, () => bytes.Length);
        var pieces = Walk(bytes, () => random.Next(1, 900));
        Must(whole == pieces, $"in one piece it is {whole}, in pieces {pieces}");
    }

    private static string Walk(byte[] bytes, Func<int> size)
    {
        var seen = new Seen();
        var parser = new TarParser(seen);
        try
        {
            for (var at = 0; at < bytes.Length && !parser.AtEnd;)
            {
                var piece = bytes.AsSpan(at, Math.Min(size(), bytes.Length - at));
                var taken = parser.Take(piece);
                Must(taken == piece.Length || parser.AtEnd, "bytes were left over before the end");
                at += taken;
            }

            return $"{seen.Text} end={parser.AtEnd} at {parser.Position}";
        }
        catch (CorruptArtifactException exception)
        {
            return $"{seen.Text} {exception.Message}";
        }
    }

    private static void Sign(Span<byte> header)
    {
        header.Slice(148, 8).Fill((byte)' ');
        var sum = 0;
        foreach (var b in header)
        {
            sum += b;
        }

        Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0 ").CopyTo(header[148..]);
    }

    private static byte[] Tar(TarEntryFormat format)
    {
        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, format, leaveOpen: true))
        {
            var name = format == TarEntryFormat.Ustar ? "folder/file" : "folder/" + new string('x', 130);
            TarEntry entry = format switch
            {
                TarEntryFormat.Ustar => new UstarTarEntry(TarEntryType.RegularFile, name),
                TarEntryFormat.Gnu => new GnuTarEntry(TarEntryType.RegularFile, name),
                _ => new PaxTarEntry(TarEntryType.RegularFile, name, [new("SCHILY.xattr.user.a", "b")]),
            };
            entry.DataStream = new MemoryStream(Encoding.ASCII.GetBytes(new string('c', 700)));
            entry.ModificationTime = DateTimeOffset.UnixEpoch;
            tar.WriteEntry(entry);
            TarEntry link = format switch
            {
                TarEntryFormat.Ustar => new UstarTarEntry(TarEntryType.HardLink, "link") { LinkName = name },
                TarEntryFormat.Gnu => new GnuTarEntry(TarEntryType.HardLink, "link") { LinkName = name },
                _ => new PaxTarEntry(TarEntryType.HardLink, "link") { LinkName = name },
            };
            link.ModificationTime = DateTimeOffset.UnixEpoch;
            tar.WriteEntry(link);
        }

        return stream.ToArray();
    }

    private static void Must(bool holds, string message)
    {
        if (!holds)
        {
            throw new InvalidOperationException(message);
        }
    }

    /// <summary>What a visitor was told, in one line.</summary>
    private sealed class Seen : IArchiveVisitor
    {
        private readonly StringBuilder _text = new();
        private long _data;
        private int _sum;

        public string Text => _text.ToString();

        public void Begin(ArchiveEntry entry)
        {
            (_data, _sum) = (0, 0);
            _text.Append(
                $"[{entry.Name} {entry.Type} {entry.Size} {entry.LinkName} {entry.ModifiedNanoseconds} "
                    + $"{entry.ExtendedAttributes.Count}");
        }

        public void Data(ReadOnlySpan<byte> bytes)
        {
            _data += bytes.Length;
            foreach (var b in bytes)
            {
                _sum = unchecked((_sum * 31) + b);
            }
        }

        public void End() => _text.Append($" {_data} {_sum}]");
    }
}
