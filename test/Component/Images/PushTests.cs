using System.Text.Json.Nodes;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Images;

namespace PodCheckpointing.Component.Images;

/// <summary>Images go to a real registry, and other programs read them there.</summary>
internal sealed class PushTests : ImageFixture
{
    private Registry _registry = null!;

    [OneTimeSetUp]
    public async Task StartAsync() => _registry = await Registry.StartAsync();

    [OneTimeTearDown]
    public void Stop() => _registry?.Dispose();

    [Test]
    public async Task Skopeo_finds_the_image_by_its_digest_with_all_annotations()
    {
        await PushAsync(Name("inspected"), Quick());

        var found = JsonNode
            .Parse(await Parts.RunAsync("skopeo", "inspect", "--tls-verify=false", $"docker://{Name("inspected")}"))!;
        found["Digest"]!.GetValue<string>().Should().Be(Image.ManifestDigest);
        found["Layers"]!.AsArray().Select(l => l!.GetValue<string>()).Should().Equal(Image.LayerDigest);
        var raw = JsonNode.Parse(
            await Parts.RunAsync("skopeo", "inspect", "--raw", "--tls-verify=false", $"docker://{Name("inspected")}"))!;
        raw["annotations"]!.AsObject().ToDictionary(a => a.Key, a => a.Value!.GetValue<string>())
            .Should().Equal(Image.Annotations);
    }

    [Test]
    public async Task Skopeo_copies_the_very_bytes_of_the_dump_and_zstd_makes_the_runtimes_tar_of_them()
    {
        await PushAsync(Name("copied"), Quick());
        var layout = Path.Combine(Folder, "copied");

        await Parts.RunAsync(
            "skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", "--preserve-digests",
            $"docker://{Name("copied")}", $"oci:{layout}:x");

        var blob = Path.Combine(layout, "blobs", Image.LayerDigest.Replace(':', '/'));
        File.ReadAllBytes(blob).Should().Equal(File.ReadAllBytes(Dump));
        await Parts.RunAsync("zstd", "-q", "-d", blob, "-o", blob + ".tar");
        File.ReadAllBytes(blob + ".tar").Should().Equal(File.ReadAllBytes(Tar));
    }

    [Test]
    public async Task Buildah_pulls_it_and_finds_the_checkpoint_in_it()
    {
        await PushAsync(Name("pulled"), Quick());
        string[] store =
        [
            "--root",
            $"{Folder}/buildah",
            "--runroot",
            $"{Folder}/buildah-run",
            "--storage-driver",
            "vfs",
        ];

        var id = (await Parts.RunAsync("buildah", [.. store, "from", "--tls-verify=false", Name("pulled")])).Trim();
        var mounted = (await Parts.RunAsync("buildah", [.. store, "mount", id])).Trim();

        File.Exists(Path.Combine(mounted, "checkpoint", "inventory.img")).Should().BeTrue();
        JsonNode.Parse(File.ReadAllText(Path.Combine(mounted, "config.dump")))!["rootfsImageName"]!.GetValue<string>()
            .Should().Be("localhost/busybox:1");
        await Parts.RunAsync("buildah", [.. store, "umount", id]);
        await Parts.RunAsync("buildah", [.. store, "rm", id]);
    }

    [Test]
    public async Task A_second_push_moves_nothing()
    {
        (await PushAsync(Name("twice"), Quick()))
            .Should().Be(Image.LayerSize + Image.Config.Length + Image.Manifest.Length);

        (await PushAsync(Name("twice"), Quick())).Should().Be(0);

        (await PushAsync(Name("twice", "other"), Quick())).Should().Be(Image.Manifest.Length, "the blobs are there");
    }

    [Test]
    public async Task A_dump_that_is_not_what_its_manifest_says_is_not_published()
    {
        var good = File.ReadAllBytes(Dump);
        try
        {
            File.WriteAllBytes(Dump, [.. good[..^5], (byte)(good[^5] ^ 1), .. good[^4..]]);
            var pushing = () => PushAsync(Name("damaged"), Quick());

            (await pushing.Should().ThrowAsync<Storage.CorruptArtifactException>()).WithMessage("*digest*");
        }
        finally
        {
            File.WriteAllBytes(Dump, good);
        }

        Directory.Exists($"{_registry.Data}/docker/registry/v2/repositories/damaged/_manifests").Should().BeFalse();
        Uploads("damaged").Should().BeEmpty("it was told that no more would come");
    }

    private IEnumerable<string> Uploads(string repository)
    {
        var folder = $"{_registry.Data}/docker/registry/v2/repositories/{repository}/_uploads";
        // A cancelled upload leaves the registry's own notes behind, and no data.
        return Directory.Exists(folder) ? Directory.EnumerateFiles(folder, "data", SearchOption.AllDirectories) : [];
    }

    private string Name(string repository, string tag = "1") => $"{_registry.Host}/{repository}:{tag}";
}
