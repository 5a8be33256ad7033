using System.Formats.Tar;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.Storage.Images;

namespace PodCheckpointing.Agent.Images;

/// <summary>The node's image store did not take the image.</summary>
internal sealed class NodeStoreException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Brings an image into the store of this node's runtime, with the tools that
/// the runtime's nodes have.</summary>
internal sealed class NodeImageStore(
    CheckpointImages images, ContainerRuntime runtime, IOptions<AgentOptions> agent,
    IOptions<ImageOptions> options)
{
    private const string Namespace = "k8s.io";

    /// <summary>Imports an image; returns the bytes moved, none where the store has it under that name.</summary>
    /// <exception cref="NodeStoreException">The store has another image under that name
    /// afterwards, or a tool failed.</exception>
    public async Task<long> ImportAsync(OciImage image, ImageReference name, CancellationToken cancellationToken)
    {
        var kind = await runtime.NameAsync(cancellationToken);
        return kind switch
        {
            "containerd" =>
                await IntoAsync(image, name, DigestInContainerdAsync, IntoContainerdAsync, cancellationToken),
            "cri-o" => await IntoAsync(image, name, DigestInStorageAsync, IntoStorageAsync, cancellationToken),
            _ => throw new NodeStoreException(
                $"the node's runtime calls itself \"{kind}\": images go into containerd and CRI-O only"),
        };
    }

    private static async Task<long> IntoAsync(
        OciImage image,
        ImageReference name,
        Func<ImageReference, CancellationToken, Task<string>> digest,
        Func<OciImage, ImageReference, CancellationToken, Task> import,
        CancellationToken cancellationToken)
    {
        if (await digest(name, cancellationToken) == image.ManifestDigest)
        {
            return 0;
        }

        await import(image, name, cancellationToken);
        var found = await digest(name, cancellationToken);
        return found == image.ManifestDigest
            ? image.LayerSize
            : throw new NodeStoreException(
                $"the node's image store has {(found.Length > 0 ? found : "nothing")} as {name} after the import");
    }

    private async Task<string> DigestInContainerdAsync(ImageReference name, CancellationToken cancellationToken)
    {
        var said = await RunAsync([.. Ctr(), "images", "ls", $"name==\"{name}\""], null, cancellationToken);
        // REF TYPE DIGEST SIZE …
        return said.Split('\n').Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .FirstOrDefault(columns => columns.Length > 2 && columns[0] == name.ToString())?[2] ?? "";
    }

    private Task IntoContainerdAsync(OciImage image, ImageReference name, CancellationToken cancellationToken) =>
        RunAsync([.. Ctr(), "images", "import", "-"], (stdin, token) => ArchiveAsync(
            image, name, stdin, token), cancellationToken);

    private async Task<string> DigestInStorageAsync(ImageReference name, CancellationToken cancellationToken)
    {
        try
        {
            return (await RunAsync(
                [options.Value.Skopeo, "inspect", "--format", "{{.Digest}}", InStorage(name)], null, cancellationToken))
                .Trim();
        }
        catch (NodeStoreException)
        {
            // No such image, most of the time; anything else fails the import, which says why.
            return "";
        }
    }

    private async Task IntoStorageAsync(OciImage image, ImageReference name, CancellationToken cancellationToken)
    {
        // Through the layout beside the dump: skopeo reads no stream.
        var layout =
            await images.WriteLayoutAsync(image, images.FolderOf(image), name.ToString(), name.Tag, cancellationToken);
        // The node's policy is about signatures of what is pulled; this was made here, and is verified by its digests.
        await RunAsync(
            [
                options.Value.Skopeo, "--insecure-policy", "copy", "--quiet", "--preserve-digests",
                $"oci:{layout.Folder}:{name.Tag}", InStorage(name),
            ],
            null,
            cancellationToken);
    }

    private string InStorage(ImageReference name) => $"containers-storage:{options.Value.ContainersStorage}{name}";

    private string[] Ctr() =>
        [options.Value.Ctr, "--address", agent.Value.RuntimeSocket, "--namespace", Namespace];

    // An OCI layout as a tar, made while it is read: the dump is on no disk a second time.
    private async Task ArchiveAsync(
        OciImage image, ImageReference name, Stream target, CancellationToken cancellationToken)
    {
        await using var tar = new TarWriter(target, TarEntryFormat.Pax, leaveOpen: true);
        await AddAsync(OciImage.LayoutFile, new MemoryStream(OciImage.LayoutVersion.ToArray()));
        await AddAsync("index.json", new MemoryStream(image.Index(name.ToString(), name.Tag)));
        await AddAsync(BlobName(image.ManifestDigest), new MemoryStream(image.Manifest));
        await AddAsync(BlobName(image.ConfigDigest), new MemoryStream(image.Config));
        await AddAsync(BlobName(image.LayerDigest), images.OpenLayer(image));

        async Task AddAsync(string path, Stream content)
        {
            await using (content)
            {
                await tar.WriteEntryAsync(
                    new PaxTarEntry(TarEntryType.RegularFile, path) { DataStream = content }, cancellationToken);
            }
        }
    }

    private static string BlobName(string digest) => "blobs/" + digest.Replace(':', '/');

    private async Task<string> RunAsync(
        string[] command, Func<Stream, CancellationToken, Task>? feed, CancellationToken cancellationToken)
    {
        try
        {
            var result = await NodeProcess.RunAsync(
                [.. options.Value.NodeCommand, .. command], feed, Timeout.InfiniteTimeSpan, cancellationToken);
            return result.Code == 0
                ? result.Output
                : throw new NodeStoreException($"{string.Join(' ', command)} failed: {result.Complaint}");
        }
        catch (IOException exception)
        {
            throw new NodeStoreException(exception.Message, exception);
        }
    }
}
