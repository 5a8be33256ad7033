using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Unit.Storage;

/// <summary>What a manifest says, and that it survives.</summary>
public sealed class ManifestTests : StoreFolder
{
    [Test]
    public async Task A_real_dump_says_what_a_restore_compares()
    {
        var manifest = await WriteFixtureAsync();

        manifest.Criu.Should().BeEquivalentTo(new CriuStatistics
        {
            FreezingMicroseconds = 243,
            FrozenMicroseconds = 99277,
            MemoryDumpMicroseconds = 395,
            MemoryWriteMicroseconds = 99,
            PagesScanned = 50,
            PagesWritten = 35,
        });
        manifest.Entries.Should().Be(35);
        manifest.Dump!.Runtime.Should().Be("crun");
        manifest.Dump.ImageName.Should().Be("localhost/busybox:1");
        manifest.Dump.ImageDigest.Should().HaveLength(64);
        manifest.Dump.CheckpointedAt!.Value.Year.Should().Be(2026);
        manifest.Dump.Mounts.Should().Contain(m => m.Destination == "/proc" && m.Type == "proc" && !m.ReadOnly)
            .And.Contain(m => m.Destination == "/sys" && m.ReadOnly);
    }

    [Test]
    public async Task Manifests_keep_to_the_published_schema()
    {
        var schema = new SchemaCheck(ManifestJson.Schema);
        schema.Problems(ManifestJson.Write(await WriteFixtureAsync())).Should().BeEmpty();
        schema.Problems(ManifestJson.Write(await VolumeAsync())).Should().BeEmpty();
    }

    [Test]
    public async Task The_schema_knows_every_field_that_is_written()
    {
        var written = JsonNode.Parse(ManifestJson.Write(await WriteFixtureAsync()))!.AsObject();
        var properties = JsonNode.Parse(ManifestJson.Schema)!["properties"]!.AsObject();
        written.Select(p => p.Key).Should().BeEquivalentTo(properties.Select(p => p.Key));
        foreach (var part in new[] { "origin", "dump", "criu" })
        {
            written[part]!.AsObject().Select(p => p.Key)
                .Should().BeEquivalentTo(properties[part]!["properties"]!.AsObject().Select(p => p.Key));
        }
    }

    [TestCase("digest", "\"sha256:0\"")]
    [TestCase("size", "0")]
    [TestCase("size", "\"12\"")]
    [TestCase("schemaVersion", "2")]
    [TestCase("container", "\"../c\"")]
    [TestCase("frames", "[{\"size\":1}]")]
    [TestCase("createdAt", "\"yesterday\"")]
    public async Task The_schema_refuses(string field, string value)
    {
        var json = JsonNode.Parse(ManifestJson.Write(await VolumeAsync()))!.AsObject();
        json[field] = JsonNode.Parse(value);
        new SchemaCheck(ManifestJson.Schema).Problems(Encoding.UTF8.GetBytes(json.ToJsonString()))
            .Should().NotBeEmpty();
    }

    [Test]
    public async Task Fields_of_newer_versions_survive_reading_and_writing()
    {
        var json = JsonNode.Parse(ManifestJson.Write(await WriteFixtureAsync()))!.AsObject();
        foreach (var place in new JsonNode[]
            { json, json["origin"]!, json["criu"]!, json["dump"]!, json["dump"]!["mounts"]![0]!, json["frames"]![0]! })
        {
            place["newer"] = new JsonObject { ["deep"] = new JsonArray(1, "two", null) };
        }

        var bytes = Encoding.UTF8.GetBytes(json.ToJsonString());
        var again = ManifestJson.Write(ManifestJson.ReadManifest(bytes, "manifest.json"));

        JsonNode.DeepEquals(JsonNode.Parse(again), json).Should().BeTrue(Encoding.UTF8.GetString(again));
    }

    [TestCase("null")]
    [TestCase("[]")]
    [TestCase("{\"schemaVersion\":1,\"frames\":null}")]
    [TestCase("{\"schemaVersion\":1,\"frames\":[null]}")]
    [TestCase("{\"schemaVersion\":1,\"digest\":null}")]
    [TestCase("{\"schemaVersion\":9}")]
    [TestCase("{\"schemaVersion\":1,\"frames\":[{\"size\":99999999999}]}")]
    [TestCase("{")]
    [TestCase("")]
    public void What_is_no_manifest_is_called_corrupt(string json)
    {
        var reading = () => ManifestJson.ReadManifest(Encoding.UTF8.GetBytes(json), "there/manifest.json");
        reading.Should().Throw<CorruptArtifactException>().WithMessage("there/manifest.json*");
    }

    [Test]
    public async Task A_manifest_is_UTF_8_also_where_nobody_looks()
    {
        // Found by the fuzzer: such a name of a field would have changed when it was written again.
        var json = Encoding.UTF8.GetString(ManifestJson.Write(await VolumeAsync())).Replace(
            "\"podName\"", "\"podN\u00ffme\"", StringComparison.Ordinal);
        var reading = () => ManifestJson.ReadManifest(Encoding.Latin1.GetBytes(json), "there/manifest.json");
        reading.Should().Throw<CorruptArtifactException>().WithMessage("*not UTF-8");
    }

    [TestCase("null")]
    [TestCase("{\"manifests\":null}")]
    [TestCase("garbage")]
    public void What_is_no_marker_is_called_corrupt(string json)
    {
        var reading = () => ManifestJson.ReadMarker(Encoding.UTF8.GetBytes(json), "there/marker");
        reading.Should().Throw<CorruptArtifactException>().WithMessage("there/marker*");
    }

    [TestCase((byte)0x9b)]
    [TestCase((byte)0xe9)]
    public void What_the_archive_says_in_no_known_text_is_left_out(byte wrong)
    {
        // Found by the fuzzer: a runtime's odd name of something must not cost the pod its checkpoint.
        var configuration =
            Encoding.Latin1.GetBytes("{\"name\":\"" + (char)wrong + "\",\"id\":\"\\ud800\",\"runtime\":\"crun\"}");
        var specification = Encoding.Latin1.GetBytes(
            "{\"mounts\":[{\"destination\":\"" + (char)wrong + "\",\"type\":\"proc\",\"options\":[\"" + (char)wrong
                + "\",\"ro\"]}]}");

        var dump = DumpDescription.From(configuration, specification)!;

        (dump.ContainerID, dump.ContainerName, dump.Runtime).Should().Be(("", "", "crun"));
        dump.Mounts.Should().ContainSingle(mount => mount.Destination == "" && mount.Type == "proc" && mount.ReadOnly);
    }

    [Test]
    public void Statistics_that_are_none_are_left_out([Values(0, 4, 11, 12, 13, 20)] int length)
    {
        byte[] image =
        [
            0x40, 0x59, 0x10,
            0x55, 0x06, 0x33, 0x09, 0x57, 200, 0, 0, 0, 0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
        ];
        CriuStatistics.From(image.AsSpan(0, length)).Should().BeNull();
    }

    [TestCase((byte)0)]
    [TestCase((byte)1)]
    public void Statistics_of_almost_no_bytes_are_left_out(byte size) =>
        // Found by the fuzzer: the size 0.
        CriuStatistics.From([0x40, 0x59, 0x10, 0x55, 0x06, 0x33, 0x09, 0x57, size, 0, 0, 0, 0x0a, 0, 0])
            .Should().BeNull();

    private static Origin Origin() => new() { PodNamespace = "default", StoppedAt = DateTime.UnixEpoch };

    private async Task<ContainerManifest> WriteFixtureAsync()
    {
        await using var tar = File.OpenRead(Fixtures.Path("crio-counter.tar"));
        return await Store.WriteAsync(Pod, Id, "counter", tar, Origin(), new Progress<long>(), CancellationToken.None);
    }

    private Task<ContainerManifest> VolumeAsync() => Store.WriteAsync(
        Pod, Id, Volume, new MemoryStream(new byte[1024]), Origin(), new Progress<long>(), CancellationToken.None);
}
