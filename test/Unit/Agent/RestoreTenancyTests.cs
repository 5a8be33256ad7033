using FluentAssertions;
using Grpc.Core;
using NUnit.Framework;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Storage;
using PodCheckpointing.Unit.Storage;

namespace PodCheckpointing.Unit.Agent;

/// <summary>The agent's own look at who may restore what: it holds even where the
/// operator was talked into asking.</summary>
public sealed class RestoreTenancyTests : StoreFolder
{
    private const string Target = "0b0f9a3e-52f1-4a6e-8d8c-3f5a0e0b7f11";
    private RestoreStaging _staging = null!;

    [SetUp]
    public async Task Dump_a_pod_of_the_namespace_shop()
    {
        _staging = StagingParts.Staging(Store, Out);
        await using var tar = File.OpenRead(Fixtures.Path("crio-counter.tar"));
        await Store.WriteAsync(
            Pod, Id, "c", tar, new Origin { PodNamespace = "shop", TcpPolicy = "Close" }, new Progress<long>(),
            CancellationToken.None);
        Store.Seal(Pod, Id, ["c"]);
    }

    [Test]
    public async Task A_pod_of_the_same_namespace_gets_the_checkpoint()
    {
        (await _staging.PrepareAsync(Request("shop"), CancellationToken.None)).Should().BePositive();

        File.Exists(Path.Combine(Folder, "staged")).Should().BeTrue();
        File.Exists(Path.Combine(Folder, "checkpoint", "inventory.img")).Should().BeTrue();
    }

    [Test]
    public async Task Staging_that_was_cut_off_while_it_moved_is_done_again()
    {
        Directory.CreateDirectory(Path.Combine(Folder, "checkpoint"));
        await File.WriteAllTextAsync(Path.Combine(Folder, "checkpoint", "left"), "by an agent that was killed");

        await _staging.PrepareAsync(Request("shop"), CancellationToken.None);

        File.Exists(Path.Combine(Folder, "checkpoint", "inventory.img")).Should().BeTrue();
        File.Exists(Path.Combine(Folder, "checkpoint", "left")).Should().BeFalse();
    }

    [Test]
    public async Task A_volume_that_fails_for_a_while_is_asked_again()
    {
        var artifact = Path.Combine(Root, Pod, Id, "c", "dump.tar.zst");
        File.Move(artifact, artifact + ".away");
        File.CreateSymbolicLink(artifact, artifact);

        var preparing = () => _staging.PrepareAsync(Request("shop"), CancellationToken.None);
        var refusal =
            (await preparing.Should().ThrowAsync<RpcException>("too many levels of links is no damage")).Which;

        (refusal.StatusCode, AgentReasons.Of(refusal)).Should().Be((StatusCode.Unavailable, "StoreUnavailable"));
        File.Exists(Path.Combine(Folder, "failed")).Should().BeFalse();
        File.Move(artifact + ".away", artifact, overwrite: true);
        (await _staging.PrepareAsync(Request("shop"), CancellationToken.None)).Should().BePositive();
    }

    [Test]
    public async Task A_disk_that_is_full_ends_the_restore_at_once()
    {
        Directory.CreateDirectory(Folder);
        File.CreateSymbolicLink(Path.Combine(Folder, "criu.conf.partial"), "/dev/full");

        var preparing = () => _staging.PrepareAsync(Request("shop"), CancellationToken.None);
        var refusal = (await preparing.Should().ThrowAsync<RpcException>()).Which;

        (refusal.StatusCode, AgentReasons.Of(refusal)).Should().Be((StatusCode.FailedPrecondition, "NotEnoughSpace"));
        (await File.ReadAllTextAsync(Path.Combine(Folder, "failed")))
            .Should().Contain("has no room left", "its create waits for a word");
        Directory.Exists(Path.Combine(Folder, "checkpoint")).Should().BeFalse("it takes the room");
    }

    [TestCase("thief")]
    [TestCase("shop2")]
    [TestCase("Shop")]
    [TestCase("")]
    public async Task A_pod_of_another_namespace_gets_none_of_its_memory_and_its_create_is_told_why(string podNamespace)
    {
        var preparing = () => _staging.PrepareAsync(Request(podNamespace), CancellationToken.None);

        var refusal = (await preparing.Should().ThrowAsync<RpcException>()).Which;

        refusal.StatusCode.Should().Be(StatusCode.PermissionDenied);
        AgentReasons.Of(refusal).Should().Be("NamespaceMismatch");
        AgentReasons.IsTransient(refusal).Should().BeFalse();
        Left().Should().BeEquivalentTo("members", "c", "c/failed");
        File.ReadAllText(Path.Combine(Folder, "failed")).Should().Contain("belongs to namespace shop");
    }

    [Test]
    public async Task Who_was_refused_is_not_served_by_claiming_the_right_namespace_afterwards()
    {
        var first = () => _staging.PrepareAsync(Request("thief"), CancellationToken.None);
        await first.Should().ThrowAsync<RpcException>();

        var second = () => _staging.PrepareAsync(Request("shop"), CancellationToken.None);

        (await second.Should().ThrowAsync<RpcException>()).Which.StatusCode.Should().Be(StatusCode.FailedPrecondition);
        Left().Should().NotContain("c/staged");
    }

    [TestCase($"shared://{Pod}/{Id}/../c/dump.tar.zst")]
    [TestCase($"shared://{Pod}/{Id}")]
    [TestCase("file:///etc/shadow")]
    [TestCase("")]
    public async Task A_URI_written_by_hand_leads_nowhere(string uri)
    {
        var request = Request("shop");
        request.ArtifactUri = uri;
        var preparing = () => _staging.PrepareAsync(request, CancellationToken.None);

        (await preparing.Should().ThrowAsync<RpcException>()).Which.StatusCode.Should().Be(StatusCode.InvalidArgument);
        Directory.Exists(Path.GetDirectoryName(Folder)).Should().BeFalse();
    }

    private string Folder => Path.Combine(Out, "restores", Target, "c");

    private IEnumerable<string> Left()
    {
        var pod = Path.GetDirectoryName(Folder)!;
        return Directory.EnumerateFileSystemEntries(pod, "*", SearchOption.AllDirectories)
            .Select(p => Path.GetRelativePath(pod, p));
    }

    private static PrepareRestoreRequest Request(string podNamespace) => new()
    {
        PodNamespace = podNamespace,
        PodName = "counter",
        PodUid = Target,
        ContainerName = "c",
        ContainerNames = { "c" },
        ArtifactUri = $"shared://{Pod}/{Id}/c/dump.tar.zst",
    };
}
