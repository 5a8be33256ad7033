using FluentAssertions;
using Grpc.Core;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Volumes;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Component.Images;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Component.Restores;

/// <summary>Volumes in memory, with the kernel's own word on whom their pages are charged to.</summary>
[TestFixture]
public sealed class PodCgroupTests
{
    private const string Id = "20261122t040000z-0a1b2c";
    private const int Bytes = 8 << 20;
    private const int Hole = 64 << 20;
    private readonly string _source = Guid.NewGuid().ToString();
    private readonly string _target = Guid.NewGuid().ToString();
    private DirectoryInfo _work = null!;
    private string _parent = null!;
    private string _group = null!;
    private VolumeContent _volumes = null!;
    private CheckpointStore _store = null!;

    [SetUp]
    public async Task Mount()
    {
        _work = Directory.CreateTempSubdirectory("pod-cgroup");
        // Below a root of kubelet's, as with --cgroup-root.
        _parent = $"/sys/fs/cgroup/memory/pc-test-{Environment.ProcessId}";
        _group = Directory.CreateDirectory($"{_parent}/kubepods/burstable/pod{_target}").FullName;
        foreach (var pod in new[] { _source, _target })
        {
            Directory.CreateDirectory(FolderOf(pod));
        }

        await Parts.RunAsync("mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", FolderOf(_target));
        _store = new CheckpointStore(_work.CreateSubdirectory("store").FullName, TimeProvider.System);
        var options = Options.Create(
            new AgentOptions
            {
                KubeletPods = Pods,
                NodeRoot = "/",
                StateRoot = _work.CreateSubdirectory("state").FullName,
            });
        _volumes = new VolumeContent(_store, new PodCgroup(options), options);

        var content = new byte[Bytes];
        new Random(1).NextBytes(content);
        await File.WriteAllBytesAsync(Path.Combine(FolderOf(_source), "content"), content);
        await using (var hole = File.Create(Path.Combine(FolderOf(_source), "hole")))
        {
            hole.SetLength(Hole);
        }

        File.CreateSymbolicLink(Path.Combine(FolderOf(_source), "link"), "content");
        await Parts.RunAsync("chown", "-R", "1234:4321", FolderOf(_source));
        File.SetUnixFileMode(FolderOf(_source), (UnixFileMode)0b010_111_101_000);
        await _volumes.StoreAsync(_source, Id, "scratch", new Origin(), CancellationToken.None);
    }

    [TearDown]
    public async Task Unmount()
    {
        await Parts.RunAsync("umount", FolderOf(_target));
        await Parts.RunAsync("find", _parent, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+");
        _work.Delete(recursive: true);
    }

    [Test]
    public async Task What_is_put_into_a_volume_in_memory_is_charged_to_its_pod()
    {
        await PlaceAsync();

        Directory.GetDirectories(_group).Should().BeEmpty("the group that it was written in has gone");
        var charged = long.Parse(await File.ReadAllTextAsync($"{_group}/memory.usage_in_bytes"));
        charged.Should().BeGreaterThanOrEqualTo(Bytes).And.BeLessThan(Hole, "a hole takes no memory");
        Same("content").Should().BeTrue();
        new FileInfo(Path.Combine(FolderOf(_target), "link")).LinkTarget.Should().Be("content");
        (await Parts.RunAsync("stat", "-c", "%u:%g %a %s", FolderOf(_target), Path.Combine(FolderOf(_target), "hole")))
            .Split('\n')
            .Select(l => l.Split(' ')).Take(2).Select(l => $"{l[0]} {l[1]}")
            .Should().Equal("1234:4321 2750", "1234:4321 644");
        Directory.GetFileSystemEntries(Path.Combine(_work.FullName, "state"), "*", SearchOption.AllDirectories)
            .Where(f => f.Contains("scratch"))
            .Should().BeEmpty("nothing of it stays on the disk");
    }

    [Test]
    public async Task A_pod_whose_limit_leaves_no_room_is_refused_for_good()
    {
        await File.WriteAllTextAsync($"{_group}/memory.limit_in_bytes", (Bytes / 2).ToString());

        var refused = (await FluentActions.Awaiting(PlaceAsync).Should().ThrowAsync<RpcException>()).Which;

        refused.StatusCode.Should().Be(StatusCode.FailedPrecondition);
        refused.Status.Detail.Should().Contain("memory limit");
    }

    [Test]
    public async Task A_pod_without_a_group_gets_its_content_all_the_same()
    {
        Directory.Delete(_group);

        await PlaceAsync();

        Same("content").Should().BeTrue();
        Directory.CreateDirectory(_group);
    }

    [Test]
    public async Task A_node_whose_disk_has_no_room_gets_it_into_the_memory_at_once(
        [Values(1 << 20, Bytes, Hole)] int free)
    {
        var state = Path.Combine(_work.FullName, "state");
        await Parts.RunAsync("mount", "-t", "tmpfs", "-o", $"size={free}", "tmpfs", state);
        try
        {
            await PlaceAsync();

            Same("content").Should().BeTrue();
            Directory.GetFileSystemEntries(FolderOf(_target)).Should().HaveCount(3);
            Directory.GetFileSystemEntries(state)
                .Should().BeEmpty("pods of others would be evicted from a node whose disk is full");
        }
        finally
        {
            await Parts.RunAsync("umount", state);
        }
    }

    private string Pods => Path.Combine(_work.FullName, "pods");

    private Task PlaceAsync() =>
        _volumes.PlaceAsync(
            _target, _store.Find(_source, Id, CheckpointStore.NameOfVolume("scratch"))!, "scratch",
            CancellationToken.None);

    private bool Same(string name) =>
        File.ReadAllBytes(Path.Combine(FolderOf(_source), name))
            .AsSpan()
            .SequenceEqual(File.ReadAllBytes(Path.Combine(FolderOf(_target), name)));

    private string FolderOf(string pod) => Path.Combine(Pods, pod, "volumes", "kubernetes.io~empty-dir", "scratch");
}
