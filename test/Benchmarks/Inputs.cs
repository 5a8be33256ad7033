using System.Buffers.Binary;
using System.Formats.Tar;
using System.Globalization;
using System.Text;

namespace PodCheckpointing.Benchmarks;

/// <summary>Makes checkpoint archives to measure with: memory pages of one kind, and
/// the small files around them.</summary>
internal static class Inputs
{
    public const int Page = 4096;
    public static readonly string[] Kinds = ["half-random", "realistic", "zero"];

    /// <summary>Writes a tar of about so many bytes.</summary>
    public static void Make(string path, string kind, long size)
    {
        using var file = new FileStream(path, FileMode.Create, FileAccess.ReadWrite, FileShare.None, 1 << 20);
        using var tar = new TarWriter(file, TarEntryFormat.Pax);
        foreach (var name in new[] { "stats-dump", "checkpoint/inventory.img", "config.dump", "spec.dump" })
        {
            tar.WriteEntry(
                new PaxTarEntry(
                    TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(name)) });
        }

        // CRIU writes one file of pages for each process tree's address space: one large, some small ones.
        var shares = new[] { 0.75, 0.15, 0.08, 0.02 };
        for (var i = 0; i < shares.Length; i++)
        {
            using var pages = new PagesStream(kind, (long)(size * shares[i]) / Page * Page, seed: i);
            tar.WriteEntry(
                new PaxTarEntry(TarEntryType.RegularFile, $"checkpoint/pages-{i + 1}.img") { DataStream = pages });
        }
    }
}

/// <summary>A stream of memory pages.</summary>
internal sealed class PagesStream(string kind, long length, int seed) : Stream
{
    private static readonly Lazy<byte[]> Memory = new(RealMemory.Take);
    private readonly Random _random = new(seed);
    private readonly byte[] _page = new byte[Inputs.Page];
    private long _position;
    private int _source = seed * 7919;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position
    {
        get => _position;
        set => _position = value == 0 && _position == 0 ? value : throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        var done = 0;
        while (done < count && _position < length)
        {
            if (_position % Inputs.Page == 0)
            {
                Fill();
            }

            var at = (int)(_position % Inputs.Page);
            var step = Math.Min(count - done, Inputs.Page - at);
            Array.Copy(_page, at, buffer, offset + done, step);
            done += step;
            _position += step;
        }

        return done;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private void Fill()
    {
        var number = _position / Inputs.Page;
        switch (kind)
        {
            case "zero":
                return;
            case "half-random":
                // Half of every page: caches, keys and compressed data beside text.
                _random.NextBytes(_page.AsSpan(0, Inputs.Page / 2));
                Text(_page.AsSpan(Inputs.Page / 2), number);
                return;
            default:
                // Runs of untouched pages, as an allocator leaves them: 25.8 % of all.
                if (number / 16 * 2654435761 % 1000 < 258)
                {
                    _page.AsSpan().Clear();
                    return;
                }

                var memory = Memory.Value;
                _source = (_source + 1) % (memory.Length / Inputs.Page);
                memory.AsSpan(_source * Inputs.Page, Inputs.Page).CopyTo(_page);
                // The source is smaller than the stream: without a change, zstd would not see that, but the eye would.
                BinaryPrimitives.WriteInt64LittleEndian(_page.AsSpan((int)(number % 500) * 8), _random.NextInt64());
                return;
        }
    }

    private static void Text(Span<byte> target, long number)
    {
        for (var done = 0; done < target.Length;)
        {
            var line = string.Create(
                CultureInfo.InvariantCulture,
                $"{{\"request\":{number * 31 + done},\"path\":\"/api/v1/items/{number % 977}\",\"status\":200}}\n");
            var bytes = Encoding.UTF8.GetBytes(line);
            var step = Math.Min(bytes.Length, target.Length - done);
            bytes.AsSpan(0, step).CopyTo(target[done..]);
            done += step;
        }
    }
}

/// <summary>Memory of a real process, this one: a heap full of objects, and the libraries that are mapped.</summary>
internal static class RealMemory
{
    private const int HeapBytes = 192 << 20;
    private const int LibraryBytes = 64 << 20;

    public static byte[] Take()
    {
        var objects = new Dictionary<string, List<object>>();
        for (var i = 0; i < 1_200_000; i++)
        {
            var key = string.Create(CultureInfo.InvariantCulture, $"session-{i % 40_000:x8}");
            objects.TryAdd(key, []);
            objects[key].Add(
                new { Number = i, Name = $"user {i * 17 % 9973}", When = DateTime.UnixEpoch
                    .AddSeconds(i), Score = i / 3.0 });
        }

        var result = new MemoryStream();
        CopyHeap(result);
        foreach (var library in Directory.EnumerateFiles(
            "/usr/lib", "*.so*",
            new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint })
            .Order(StringComparer.Ordinal))
        {
            if (result.Length > HeapBytes + LibraryBytes)
            {
                break;
            }

            using var file = File.OpenRead(library);
            file.CopyTo(result);
        }

        GC.KeepAlive(objects);
        result.SetLength(result.Length / Inputs.Page * Inputs.Page);
        return result.ToArray();
    }

    private static void CopyHeap(MemoryStream target)
    {
        using var memory =
            new FileStream("/proc/self/mem", FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        var buffer = new byte[1 << 20];
        foreach (var line in File.ReadLines("/proc/self/maps"))
        {
            var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (!fields[1].StartsWith("rw", StringComparison.Ordinal) || fields.Length > 5)
            {
                continue;
            }

            var range = fields[0].Split('-')
                .Select(f => long.Parse(f, NumberStyles.HexNumber, CultureInfo.InvariantCulture))
                .ToArray();
            var empty = 0;
            // The collector reserves far more than it uses: a long stretch of nothing is the end.
            for (var at = range[0]; at < range[1] && target.Length < HeapBytes && empty < 32; at += buffer.Length)
            {
                empty++;
                memory.Seek(at, SeekOrigin.Begin);
                var read = memory.Read(buffer, 0, (int)Math.Min(buffer.Length, range[1] - at));
                for (var page = 0; page + Inputs.Page <= read; page += Inputs.Page)
                {
                    // Zero pages come in their measured share, not by chance.
                    if (buffer.AsSpan(page, Inputs.Page).IndexOfAnyExcept((byte)0) >= 0)
                    {
                        target.Write(buffer, page, Inputs.Page);
                        empty = 0;
                    }
                }
            }
        }
    }
}
