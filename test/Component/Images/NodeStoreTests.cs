using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using FluentAssertions;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Images;
using PodCheckpointing.Agent.Runtimes;

namespace PodCheckpointing.Component.Images;

/// <summary>Images go into a containerd and into a containers-storage, as nodes have them.</summary>
internal sealed class NodeStoreTests : ImageFixture
{
    private const string Name = "localhost/checkpoints/counter:1";
    private string _checkpointctl = "";

    [OneTimeSetUp]
    public async Task FindAsync() => _checkpointctl = await Parts.InstallAsync();

    [Test]
    public async Task Containerd_has_the_image_unpacked_under_its_name_and_the_kubelet_sees_it()
    {
        using var containerd = await Containerd.StartAsync();
        var store = StoreOf(containerd.Endpoint, OfTree);

        (await store.ImportAsync(Image, ImageReference.Parse(Name), CancellationToken.None))
            .Should().Be(Image.LayerSize);

        (await containerd.CtrAsync("images", "ls", $"name=={Name}")).Should().Contain(Image.ManifestDigest);
        // What containerd reads to know a checkpoint: annotations of what the name points at.
        var target = JsonNode.Parse(await containerd.CtrAsync("content", "get", Image.ManifestDigest))!;
        target["annotations"]!["org.criu.checkpoint.container.name"]!.GetValue<string>().Should().Be("counter");
        (await containerd.CtrAsync("snapshots", "ls"))
            .Should().Contain(Image.Checkpoint.Digest, "one layer: its chain is its diff id");
        using var channel = GrpcChannel.ForAddress(containerd.Endpoint, new GrpcChannelOptions());
        var status = await channel.UnaryCallAsync(
            Bytes("ImageService", "ImageStatus"), Field(1, Field(1, Encoding.UTF8.GetBytes(Name))),
            new CallOptions(null, null, CancellationToken.None));
        Encoding.UTF8.GetString(status).Should().Contain(Image.ConfigDigest);

        (await store.ImportAsync(Image, ImageReference.Parse(Name), CancellationToken.None))
            .Should().Be(0, "it is there");
    }

    [Test]
    public async Task Containerd_refuses_a_dump_that_changed_and_has_no_image_then()
    {
        using var containerd = await Containerd.StartAsync();
        var good = File.ReadAllBytes(Dump);
        try
        {
            File.WriteAllBytes(Dump, [.. good[..^5], (byte)(good[^5] ^ 1), .. good[^4..]]);
            var importing = () => StoreOf(containerd.Endpoint, OfTree)
                .ImportAsync(Image, ImageReference.Parse(Name), CancellationToken.None);

            (await importing.Should().ThrowAsync<NodeStoreException>()).Which.Message.Should().Contain("import");
        }
        finally
        {
            File.WriteAllBytes(Dump, good);
        }

        (await containerd.CtrAsync("images", "ls", "-q")).Trim().Should().BeEmpty();
    }

    [Test]
    public async Task CRI_Os_storage_has_the_image_with_the_annotation_that_it_restores_by()
    {
        await using var crio = await RuntimeAsync("cri-o");
        var specifier = $"[vfs@{Folder}/storage+{Folder}/storage-run]";
        var store = StoreOf(crio.Endpoint, o => o.ContainersStorage = specifier);

        (await store.ImportAsync(Image, ImageReference.Parse(Name), CancellationToken.None))
            .Should().Be(Image.LayerSize);

        var raw = await Parts.RunAsync("skopeo", "inspect", "--raw", $"containers-storage:{specifier}{Name}");
        JsonNode.Parse(raw)!["annotations"]!["io.kubernetes.cri-o.annotations.checkpoint.name"]!.GetValue<string>()
            .Should().Be("counter");
        string[] buildah =
        [
            "--root",
            $"{Folder}/storage",
            "--runroot",
            $"{Folder}/storage-run",
            "--storage-driver",
            "vfs",
        ];
        var inspected =
            JsonNode.Parse(await Parts.RunAsync("buildah", [.. buildah, "inspect", "--type", "image", Name]))!;
        inspected["FromImageID"]!.GetValue<string>().Should().Be(Image.ConfigDigest["sha256:".Length..]);
        inspected["ImageAnnotations"]!.AsObject().Should().ContainKey("io.podman.annotations.checkpoint.runtime.name");

        (await store.ImportAsync(Image, ImageReference.Parse(Name), CancellationToken.None))
            .Should().Be(0, "it is there");
    }

    [Test]
    public async Task A_runtime_of_another_kind_gets_nothing()
    {
        await using var other = await RuntimeAsync("other");
        var importing = () => StoreOf(other.Endpoint, _ => { }).ImportAsync(
            Image, ImageReference.Parse(Name), CancellationToken.None);

        (await importing.Should().ThrowAsync<NodeStoreException>()).Which.Message.Should().Contain("\"other\"");
    }

    [Test]
    public async Task A_node_without_the_tool_says_which()
    {
        await using var crio = await RuntimeAsync("cri-o");
        var importing = () => StoreOf(crio.Endpoint, o => o.Skopeo = "no-skopeo").ImportAsync(
            Image, ImageReference.Parse(Name), CancellationToken.None);

        (await importing.Should().ThrowAsync<NodeStoreException>()).Which.Message.Should().Contain("no-skopeo");
    }

    [Test]
    public async Task Skopeo_and_checkpointctl_read_the_layout_beside_the_dump()
    {
        var layout = await Images.WriteLayoutAsync(Image, Images.FolderOf(Image), Name, "1", CancellationToken.None);

        var found = JsonNode.Parse(await Parts.RunAsync("skopeo", "inspect", $"oci:{layout.Folder}:1"))!;
        found["Digest"]!.GetValue<string>().Should().Be(Image.ManifestDigest);
        var layer = Path.Combine(layout.Folder, "blobs", Image.LayerDigest.Replace(':', '/'));
        Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(layer))).Should().Be(Path.GetFileName(layer));
        var shown = await Parts.RunAsync(_checkpointctl, "inspect", layer);
        shown.Should().Contain("counter").And.Contain("Image: localhost/busybox:1").And.Contain("Engine: CRI-O");
    }

    // The agent and the bench's kubelet have the messages of CRI twice, and neither is to be preferred here.
    private static Method<byte[], byte[]> Bytes(string service, string name)
    {
        var marshaller = Marshallers.Create<byte[]>(bytes => bytes, bytes => bytes);
        return new Method<byte[], byte[]>(MethodType.Unary, "runtime.v1." + service, name, marshaller, marshaller);
    }

    private static byte[] Field(
        int number, byte[] content) => [(byte)((number << 3) | 2), (byte)content.Length, .. content];

    private static void OfTree(ImageOptions options)
    {
        foreach (var word in Parts.OfNode())
        {
            options.NodeCommand.Add(word);
        }

        options.Ctr = $"{Parts.NodeTree()}/usr/bin/ctr";
    }

    private NodeImageStore StoreOf(string endpoint, Action<ImageOptions> change) =>
        new(
            Images, new ContainerRuntime(GrpcChannel.ForAddress(endpoint, new GrpcChannelOptions())),
            Options.Create(new AgentOptions { RuntimeEndpoint = endpoint }), Options.Create(Quick(change)));

    // CRI-O is in no package source here: what is asked of it itself is its name; the store is a real one.
    private async Task<SmallRuntime> RuntimeAsync(string name) =>
        await SmallRuntime.StartAsync(name, $"{Folder}/{Guid.NewGuid():n}.sock");

    private sealed class SmallRuntime(WebApplication app, string socket) : IAsyncDisposable
    {
        public string Endpoint => $"unix://{socket}";

        public static async Task<SmallRuntime> StartAsync(string name, string socket)
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.ConfigureKestrel(
                kestrel => kestrel.ListenUnixSocket(socket, listen => listen.Protocols = HttpProtocols.Http2));
            var app = builder.Build();
            app.MapGrpcMethod(
                Bytes("RuntimeService", "Version"), (_, _) => Task.FromResult(Field(2, Encoding.UTF8.GetBytes(name))));
            await app.StartAsync();
            return new SmallRuntime(app, socket);
        }

        public ValueTask DisposeAsync() => app.DisposeAsync();
    }
}
