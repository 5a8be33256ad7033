using System.Text;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Archives;

namespace PodCheckpointing.Unit.Storage;

/// <summary>Generated archives that want out, or are damaged with a right checksum: nothing outside changes.</summary>
public sealed class HostileArchiveTests : StoreFolder
{
    private static readonly string[] Names =
    [
        "a", "a/b", "a/b/c", "./a", "a//b", "a/./b",
        "../x", "a/../../x", "/x", "..", ".", "", "a/..", "door", "door/x", "door/a/x", "b", "b/door", "b/door/x",
    ];

    private static readonly string[] Targets =
        ["..", "/", "../..", "a", "a/b", "../canary", "door/../canary", "b/door", "door", ".", "/etc/passwd"];

    private string Outside => Path.GetDirectoryName(Out)!;

    [Test]
    public void Archives_that_want_out_stay_inside([Range(1, 20)] int block)
    {
        var canary = Path.Combine(Outside, "canary");
        File.WriteAllText(canary, "sings");
        for (var seed = block * 100; seed < (block * 100) + 25; seed++)
        {
            var random = new Random(seed);
            using var tar = new MemoryStream();
            for (var i = random.Next(1, 9); i > 0; i--)
            {
                Entry(tar, random);
            }

            tar.Write(new byte[1024]);
            Extract(tar.ToArray(), seed);

            File.ReadAllText(canary).Should().Be("sings", $"seed {seed}");
            Directory.GetFileSystemEntries(Outside).Should().BeEquivalentTo([canary, Out, Root], $"seed {seed}");
        }
    }

    [Test]
    public void Damaged_headers_are_refused_and_nothing_worse([Range(1, 20)] int block)
    {
        var whole = File.ReadAllBytes(Fixtures.Path("crio-counter.tar")).AsSpan(0, 20_000).ToArray();
        for (var seed = block * 100; seed < (block * 100) + 25; seed++)
        {
            var random = new Random(seed);
            var tar = (byte[])whole.Clone();
            for (var i = random.Next(1, 6); i > 0; i--)
            {
                // The first header, or anything.
                var at = random.Next(2) == 0 ? random.Next(512) : random.Next(tar.Length);
                // Names in ASCII: .NET could not remove the others again.
                var name = at % 512 is < 100 or (>= 157 and < 257) or >= 345;
                tar[at] = (byte)random.Next(name ? 128 : 256);
            }

            Sign(tar.AsSpan(0, 512));
            Extract(tar, seed);
            Directory.GetFileSystemEntries(Outside).Should().BeEquivalentTo([Out, Root], $"seed {seed}");
        }
    }

    [Test]
    public async Task A_dump_has_no_names_that_nobody_could_remove_again()
    {
        var tar = File.ReadAllBytes(Fixtures.Path("crio-counter.tar"));
        tar[0] = 0xff;
        Sign(tar.AsSpan(0, 512));
        var manifest = await WriteAsync(new MemoryStream(tar));
        var extracting = () => Store.Read(manifest).ExtractAsync(
            Out, ExtractionOptions.FilesOnly, CancellationToken.None);
        (await extracting.Should().ThrowAsync<CorruptArtifactException>()).WithMessage("*UTF-8*");
        Directory.EnumerateFileSystemEntries(Out).Should().BeEmpty();
    }

    [Test]
    public void Global_headers_may_not_add_up_to_more_memory_than_one_may_take()
    {
        using var extractor = new ArchiveExtractor(Out, ExtractionOptions.Everything with { Owners = false });
        var parser = new TarParser(extractor);
        var walking = () =>
        {
            for (var i = 0; i < 64; i++)
            {
                // One record that fills the header: "1048576 key=value\n".
                var body = new byte[1 << 20];
                body.AsSpan().Fill((byte)'v');
                Encoding.ASCII.GetBytes($"{body.Length} comment{i}=").CopyTo(body.AsSpan());
                body[^1] = (byte)'\n';
                parser.Take(Header('g', "", body.Length, ""));
                parser.Take(body);
            }
        };

        walking.Should().Throw<CorruptArtifactException>().WithMessage("*global*");
        parser.Position.Should().BeLessThan(3 << 20, "the second one is too much already");
    }

    [Test]
    public async Task An_entry_has_the_attributes_of_the_global_header_and_its_own_over_them()
    {
        static byte[] Attribute(string name, string value)
        {
            var record = $" SCHILY.xattr.user.{name}={value}\n";
            return Encoding.ASCII.GetBytes($"{record.Length + 2}{record}");
        }

        using var tar = new MemoryStream();
        void Add(char type, string name, byte[] body)
        {
            tar.Write(Header(type, name, body.Length, ""));
            tar.Write(body);
            tar.Write(new byte[(512 - (body.Length % 512)) % 512]);
        }

        Add('g', "", [.. Attribute("a", "all"), .. Attribute("b", "all")]);
        Add('0', "first", []);
        Add('x', "", Attribute("b", "own"));
        Add('0', "second", []);
        Add('0', "third", []);
        tar.Write(new byte[1024]);
        tar.Position = 0;

        var manifest = await WriteAsync(tar);
        using var browser = Store.Read(manifest).Browse();

        browser.Entries(CancellationToken.None).Select(entry => string.Join(
            ' ', entry.ExtendedAttributes.OrderBy(a => a.Key)
                .Select(a => $"{a.Key}={Encoding.ASCII.GetString(a.Value.Span)}")))
            .Should().Equal("user.a=all user.b=all", "user.a=all user.b=own", "user.a=all user.b=all");
    }

    private static void Entry(MemoryStream tar, Random random)
    {
        var type = "0123456S7xgLK"[random.Next(13)];
        var content = random.Next(3) == 0 ? random.Next(2000) : 0;
        var body = new byte[content];
        random.NextBytes(body);
        if (type is 'x' or 'g')
        {
            body = Records(random);
        }
        else if (type is 'L' or 'K')
        {
            body = Encoding.UTF8.GetBytes(Pick(Names, random) + "\0");
        }
        else if (type is not ('0' or '7' or 'S'))
        {
            body = [];
        }

        tar.Write(Header(type, Pick(Names, random), body.Length, Pick(Targets, random)));
        tar.Write(body);
        tar.Write(new byte[(512 - (body.Length % 512)) % 512]);
    }

    private static byte[] Header(char type, string name, int size, string target)
    {
        var header = new byte[512];
        Encoding.UTF8.GetBytes(name).CopyTo(header.AsSpan());
        Encoding.ASCII.GetBytes(
            "0000644\0" + "0000000\0" + "0000000\0" + Convert.ToString(size, 8).PadLeft(11, '0') + "\0")
            .CopyTo(header.AsSpan(100));
        Encoding.ASCII.GetBytes("14000000000\0").CopyTo(header.AsSpan(136));
        header[156] = (byte)type;
        Encoding.UTF8.GetBytes(target).CopyTo(header.AsSpan(157));
        "ustar\0"u8.CopyTo(header.AsSpan(257));
        Sign(header);
        return header;
    }

    private static byte[] Records(Random random)
    {
        var record =
            Pick(["path", "linkpath", "size", "mtime", "uid", "GNU.sparse.major", "SCHILY.xattr.user.x"], random)
                + "=" + Pick([.. Names, .. Targets, "12", "-1", "99999999999999999999", "1.5"], random) + "\n";
        for (var length = record.Length + 2; ; length++)
        {
            var whole = $"{length} {record}";
            if (whole.Length == length)
            {
                return Encoding.UTF8.GetBytes(whole);
            }
        }
    }

    private static string Pick(string[] from, Random random) => from[random.Next(from.Length)];

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

    private void Extract(byte[] tar, int seed)
    {
        Directory.Delete(Out, recursive: true);
        Directory.CreateDirectory(Out);
        try
        {
            using var extractor = new ArchiveExtractor(Out, ExtractionOptions.Everything with { Owners = false });
            var parser = new TarParser(extractor);
            var random = new Random(seed);
            for (var at = 0; at < tar.Length;)
            {
                var step = Math.Min(random.Next(1, 1500), tar.Length - at);
                parser.Take(tar.AsSpan(at, step));
                at += step;
            }

            extractor.Finish();
        }
        catch (Exception exception) when (exception is CorruptArtifactException or IOException)
        {
            // Refused: as good as not extracted.
        }
    }
}
