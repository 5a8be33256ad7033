using System.Formats.Tar;
using System.Security.Cryptography;
using FluentAssertions;
using Grpc.Core;
using NUnit.Framework;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Component.Checkpoints;

/// <summary>An archive is stored while the runtime still writes it: whole, and only if it is
/// the one that kubelet names.</summary>
internal sealed class FollowTests
{
    private const string Pod = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

    // Some frames of it are full before it ends.
    private const int Pages = 48 << 20;
    private AgentNode _node = null!;
    private byte[] _archive = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _archive = await LargeArchiveAsync(1);
        _node = await AgentNode.StartAsync();
        _node.Run(Pod, "app");
    }

    [TearDown]
    public async Task StopAsync() => await _node.DisposeAsync();

    [Test]
    public async Task It_is_stored_while_it_is_written()
    {
        _node.Dump = async path =>
        {
            await using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite);
            await file.WriteAsync(_archive.AsMemory(0, Pages / 2));
            await file.FlushAsync();
            await StoringAsync();
            await file.WriteAsync(_archive.AsMemory(Pages / 2));
            return path;
        };

        var response = await _node.CheckpointAsync(Pod, "app", ["app"]);

        response.Digest.Should().Be(Digest(_archive));
        response.KubeletCallMicroseconds.Should().BePositive();
        _node.Store.IsSealed(Pod, AgentNode.Id).Should().BeTrue();
        await _node.Store.Read(_node.Store.FindSealed(Pod, AgentNode.Id, "app")).VerifyAsync(CancellationToken.None);
        Directory.GetFiles(_node.Archives).Should().BeEmpty();
    }

    [Test]
    public async Task What_kubelet_names_counts_not_what_was_followed()
    {
        var other = await LargeArchiveAsync(2);
        _node.Dump = async path =>
        {
            var followed = path.Replace("Z.tar", ".1Z.tar", StringComparison.Ordinal);
            await AgentNode.WriteAsync(followed, other);
            await StoringAsync();
            await AgentNode.WriteAsync(path, _archive);
            File.Delete(followed);
            return path;
        };

        (await _node.CheckpointAsync(Pod, "app")).Digest.Should().Be(Digest(_archive));
    }

    [Test]
    public async Task What_was_renamed_into_place_counts_not_what_was_followed()
    {
        var other = await LargeArchiveAsync(2);
        _node.Dump = async path =>
        {
            await AgentNode.WriteAsync(path, other);
            await StoringAsync();
            await AgentNode.WriteAsync(path + ".new", _archive);
            File.Move(path + ".new", path, overwrite: true);
            return path;
        };

        (await _node.CheckpointAsync(Pod, "app")).Digest.Should().Be(Digest(_archive));
    }

    [Test]
    public async Task What_kubelet_refuses_in_the_end_leaves_nothing()
    {
        _node.Dump = async path =>
        {
            await AgentNode.WriteAsync(path, _archive);
            await StoringAsync();
            return null;
        };

        (await FluentActions.Awaiting(() => _node.CheckpointAsync(Pod, "app")).Should().ThrowAsync<RpcException>())
            .Which.Should().Match<RpcException>(
                e => AgentReasons.Of(e) == Reasons.CheckpointFailed && e.Status.Detail.Contains("CRIU says no"));

        _node.Store.Find(Pod, AgentNode.Id, "app").Should().BeNull();
        Directory.GetFiles(Path.Combine(_node.StoreRoot, Pod), "*", SearchOption.AllDirectories).Should().BeEmpty();
    }

    [Test]
    public async Task What_ends_too_early_is_no_checkpoint()
    {
        _node.Dump = async path =>
        {
            await AgentNode.WriteAsync(path, _archive.AsMemory(0, Pages / 2));
            return path;
        };

        (await FluentActions.Awaiting(() => _node.CheckpointAsync(Pod, "app")).Should().ThrowAsync<RpcException>())
            .Which.StatusCode.Should().Be(StatusCode.DataLoss);

        _node.Store.Find(Pod, AgentNode.Id, "app").Should().BeNull();
    }

    private async Task StoringAsync()
    {
        using var enough = new CancellationTokenSource(TimeSpan.FromSeconds(180));
        var request = new WatchCheckpointRequest { PodUid = Pod, ContainerName = "app", CheckpointId = AgentNode.Id };
        await foreach (var progress in _node.Client.WatchCheckpointAsync(request, enough.Token))
        {
            if (progress.Bytes > 0)
            {
                return;
            }
        }

        Assert.Fail("the archive is not stored while it is written");
    }

    /// <summary>A real archive with more pages, which do not compress.</summary>
    private static async Task<byte[]> LargeArchiveAsync(int seed)
    {
        var result = new MemoryStream();
        await using (var writer = new TarWriter(result, TarEntryFormat.Pax, leaveOpen: true))
        {
            await using var source = File.OpenRead(AgentNode.Archive);
            await using var reader = new TarReader(source);
            while (await reader.GetNextEntryAsync(copyData: true) is { } entry)
            {
                await writer.WriteEntryAsync(entry);
            }

            var pages = new byte[Pages];
            new Random(seed).NextBytes(pages);
            await writer.WriteEntryAsync(
                new PaxTarEntry(
                    TarEntryType.RegularFile, "checkpoint/pages-9.img") { DataStream = new MemoryStream(pages) });
        }

        return result.ToArray();
    }

    private static string Digest(byte[] bytes) => $"sha256:{Convert.ToHexStringLower(SHA256.HashData(bytes))}";
}
