using System.Text.Json.Nodes;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Images;

namespace PodCheckpointing.Unit.Images;

public sealed class OciImageTests
{
    private static readonly ContainerManifest Checkpoint = new()
    {
        PodUID = "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        CheckpointID = "20261121t003412z-7f3a9c",
        Container = "web",
        Size = 5000,
        Digest = "sha256:" + new string('a', 64),
        CompressedSize = 700,
        CompressedDigest = "sha256:" + new string('b', 64),
        CreatedAt = new DateTime(2026, 11, 21, 0, 34, 12, DateTimeKind.Utc),
        Origin = new Origin
        {
            PodNamespace = "shop",
            PodName = "cart-0",
            ImageReference = "registry.example/shop/cart:2",
            ImageID = "sha256:cafe",
            Runtime = "crun 1.28",
            CriuVersion = "4.2.1",
            KernelVersion = "6.18.0",
            Architecture = "arm64",
        },
        Dump = new DumpDescription { ImageName = "registry.example/shop/cart:2", ImageDigest = "64f66f14" },
    };

    [Test]
    public void Its_only_layer_is_the_dump_as_it_is()
    {
        var manifest = JsonNode.Parse(new OciImage(Checkpoint, "cri-o").Manifest)!;

        manifest["schemaVersion"]!.GetValue<int>().Should().Be(2);
        manifest["mediaType"]!.GetValue<string>().Should().Be("application/vnd.oci.image.manifest.v1+json");
        var layer = manifest["layers"]!.AsArray().Should().ContainSingle().Subject!;
        layer["mediaType"]!.GetValue<string>().Should().Be("application/vnd.oci.image.layer.v1.tar+zstd");
        layer["digest"]!.GetValue<string>().Should().Be(Checkpoint.CompressedDigest);
        layer["size"]!.GetValue<long>().Should().Be(700);
    }

    [Test]
    public void Its_configuration_names_the_tar_and_the_machine()
    {
        var image = new OciImage(Checkpoint, "cri-o");
        var config = JsonNode.Parse(image.Config)!;

        config["architecture"]!.GetValue<string>().Should().Be("arm64");
        config["os"]!.GetValue<string>().Should().Be("linux");
        config["created"]!.GetValue<string>().Should().Be("2026-11-21T00:34:12.0000000Z");
        config["rootfs"]!["diff_ids"]!.AsArray().Single()!.GetValue<string>().Should().Be(Checkpoint.Digest);
        config["history"]!.AsArray().Should().HaveCount(1);
        JsonNode.Parse(image.Manifest)!["config"]!["digest"]!.GetValue<string>().Should().Be(image.ConfigDigest);
    }

    // The keys as they stand in CRI-O's pkg/annotations, Podman's libpod/define and checkpointctl's lib.
    [TestCase("io.kubernetes.cri-o.annotations.checkpoint.name", "web")]
    [TestCase("io.kubernetes.cri-o.annotations.checkpoint.rawImageName", "registry.example/shop/cart:2")]
    [TestCase("io.kubernetes.cri-o.annotations.checkpoint.rootfsImageID", "64f66f14")]
    [TestCase("io.kubernetes.cri-o.annotations.checkpoint.rootfsImageName", "registry.example/shop/cart:2")]
    [TestCase("io.kubernetes.cri-o.annotations.checkpoint.criu.version", "40201")]
    [TestCase("io.podman.annotations.checkpoint.name", "web")]
    [TestCase("io.podman.annotations.checkpoint.rawImageName", "registry.example/shop/cart:2")]
    [TestCase("io.podman.annotations.checkpoint.rootfsImageID", "64f66f14")]
    [TestCase("io.podman.annotations.checkpoint.rootfsImageName", "registry.example/shop/cart:2")]
    [TestCase("io.podman.annotations.checkpoint.criu.version", "40201")]
    [TestCase("io.podman.annotations.checkpoint.runtime.name", "crun")]
    [TestCase("io.podman.annotations.checkpoint.runtime.version", "1.28")]
    [TestCase("io.podman.annotations.checkpoint.host.arch", "arm64")]
    [TestCase("io.podman.annotations.checkpoint.host.kernel", "6.18.0")]
    [TestCase("org.criu.checkpoint.engine.name", "cri-o")]
    [TestCase("org.criu.checkpoint.container.name", "web")]
    [TestCase("org.criu.checkpoint.pod.name", "cart-0")]
    [TestCase("org.criu.checkpoint.pod.namespace", "shop")]
    [TestCase("org.criu.checkpoint.rootfsImageUserRequested", "registry.example/shop/cart:2")]
    [TestCase("org.criu.checkpoint.rootfsImageName", "registry.example/shop/cart:2")]
    [TestCase("org.criu.checkpoint.rootfsImageID", "64f66f14")]
    [TestCase("org.criu.checkpoint.runtime.name", "crun")]
    [TestCase("org.criu.checkpoint.runtime.version", "1.28")]
    [TestCase("org.criu.checkpoint.criu.version", "40201")]
    [TestCase("org.criu.checkpoint.host.arch", "arm64")]
    [TestCase("org.criu.checkpoint.host.kernel", "6.18.0")]
    public void Engines_find_their_annotations_on_manifest_and_index(string key, string value)
    {
        var image = new OciImage(Checkpoint, "cri-o");

        JsonNode.Parse(image.Manifest)!["annotations"]![key]!.GetValue<string>().Should().Be(value);
        JsonNode.Parse(image.Index("localhost/x:1", "1"))!["annotations"]![key]!.GetValue<string>().Should().Be(value);
    }

    [Test]
    public void What_the_dump_does_not_say_is_left_out()
    {
        var image = new OciImage(Checkpoint with { Origin = new Origin { PodName = "p" }, Dump = null }, "");

        image.Annotations.Keys.Should().BeEquivalentTo(
            "io.kubernetes.cri-o.annotations.checkpoint.name",
            "io.podman.annotations.checkpoint.name",
            "org.criu.checkpoint.container.name",
            "org.criu.checkpoint.pod.name");
    }

    [Test]
    public void The_same_checkpoint_is_the_same_image() =>
        new OciImage(Checkpoint with { }, "cri-o").ManifestDigest
            .Should().Be(new OciImage(Checkpoint, "cri-o").ManifestDigest);

    [Test]
    public void Two_checkpoints_of_the_same_bytes_are_two_images() =>
        new OciImage(Checkpoint with { CheckpointID = "20261121t003412z-7f3a9d" }, "cri-o").ConfigDigest.Should()
            .NotBe(new OciImage(Checkpoint, "cri-o").ConfigDigest);

    [Test]
    public void A_layout_names_the_image_for_containerd_and_for_containers_image()
    {
        var image = new OciImage(Checkpoint, "cri-o");
        var descriptor =
            JsonNode.Parse(image.Index("registry.example:5000/a/b:t", "t"))!["manifests"]!.AsArray().Single()!;

        descriptor["digest"]!.GetValue<string>().Should().Be(image.ManifestDigest);
        descriptor["size"]!.GetValue<int>().Should().Be(image.Manifest.Length);
        descriptor["platform"]!["architecture"]!.GetValue<string>().Should().Be("arm64");
        descriptor["annotations"]!["io.containerd.image.name"]!.GetValue<string>()
            .Should().Be("registry.example:5000/a/b:t");
        descriptor["annotations"]!["org.opencontainers.image.ref.name"]!.GetValue<string>().Should().Be("t");
    }
}
