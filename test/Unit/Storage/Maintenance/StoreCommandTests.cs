using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Tool;

namespace PodCheckpointing.Unit.Storage;

/// <summary>The tool tells a whole store from a broken one, and touches nothing unasked.</summary>
public sealed class StoreCommandTests : StoreFolder
{
    private readonly StringWriter _output = new();
    private readonly StringWriter _errors = new();

    [Test]
    public async Task Finds_nothing_in_a_whole_store()
    {
        await SealedAsync();

        (await RunAsync("fsck", Root)).Should().Be(StoreCommand.Whole);
        _output.ToString().Should().Be("1 checkpoints, 0 broken parts\n");
    }

    [TestCase(".checkpoint-complete")]
    [TestCase("main/manifest.json")]
    [TestCase("main/dump.tar.zst")]
    public async Task Names_what_is_broken_and_moves_it_only_when_asked(string file)
    {
        await SealedAsync();
        var path = Path.Combine(Root, Pod, Id, file);
        var bytes = await File.ReadAllBytesAsync(path);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(path, bytes);

        (await RunAsync("fsck", Root)).Should().Be(StoreCommand.Broken);
        _output.ToString().Should().Contain($"BROKEN {Pod}/{Id}");
        Directory.Exists(Path.Combine(Root, Pod, Id)).Should().BeTrue("nobody asked to move it");

        (await RunAsync("fsck", Root, "--quarantine")).Should().Be(StoreCommand.Broken);
        Directory.Exists(Path.Combine(Root, Pod, Id)).Should().BeFalse();
        var moved = Directory.GetDirectories(Path.Combine(Root, Pod), $".quarantine.{Id}.*").Should().ContainSingle().Subject;
        (await File.ReadAllTextAsync(Path.Combine(moved, ".quarantine-reason"))).Should().Contain($"{Pod}/{Id}");
        (await File.ReadAllBytesAsync(Path.Combine(moved, file))).Should().Equal(bytes);
        (await RunAsync("fsck", Root)).Should().Be(StoreCommand.Whole, "the rest of the store is whole");
    }

    [Test]
    public async Task Never_quarantines_what_is_only_unfinished()
    {
        await StoreAsync();

        (await RunAsync("fsck", Root, "--quarantine")).Should().Be(StoreCommand.Whole);
        _output.ToString().Should().Contain("has no marker");
        Directory.Exists(Path.Combine(Root, Pod, Id)).Should().BeTrue();
    }

    [Test]
    public async Task Lists_usage_by_pod_and_namespace()
    {
        await SealedAsync();

        (await RunAsync("ls", Root)).Should().Be(StoreCommand.Whole);
        var used = new DirectoryInfo(Path.Combine(Root, Pod)).EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length);
        _output.ToString().Should().Contain($"pod shop/web ({Pod}): 1, {used} bytes")
            .And.Contain($"namespace shop: 1, {used} bytes");
    }

    [Test]
    public async Task Exports_the_runtimes_own_bytes()
    {
        await SealedAsync();
        var target = Path.Combine(Out, "counter.tar");

        (await RunAsync("export", Root, $"{Pod}/{Id}/main", target)).Should().Be(StoreCommand.Whole);
        (await File.ReadAllBytesAsync(target)).Should().Equal(await File.ReadAllBytesAsync(Fixtures.Path("crio-counter.tar")));
        Directory.GetFiles(Out).Should().Equal(target);
    }

    [Test]
    public async Task Exports_nothing_of_a_broken_artifact()
    {
        await SealedAsync();
        var path = Path.Combine(Root, Pod, Id, "main", "dump.tar.zst");
        var bytes = await File.ReadAllBytesAsync(path);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(path, bytes);

        (await RunAsync("export", Root, $"{Pod}/{Id}/main", Path.Combine(Out, "counter.tar"))).Should().Be(StoreCommand.Broken);
        Directory.GetFiles(Out).Should().BeEmpty();
    }

    [Test]
    public async Task Removes_leftovers_only_when_told_to()
    {
        await StoreAsync();
        (await RunAsync("gc", Root)).Should().Be(StoreCommand.Whole);
        _output.ToString().Should().Be("0 leftovers, 0 bytes\n", "it is young");
        _output.GetStringBuilder().Clear();

        (await RunAsync("gc", Root, "--age=0s")).Should().Be(StoreCommand.Whole);
        _output.ToString().Should().Contain($"would remove {Pod}/{Id}: a checkpoint that was never completed").And.Contain("--yes");
        Store.Find(Pod, Id, "main").Should().NotBeNull();

        (await RunAsync("gc", Root, "--age=0s", "--yes")).Should().Be(StoreCommand.Whole);
        _output.ToString().Should().Contain($"removed {Pod}/{Id}");
        Store.Find(Pod, Id, "main").Should().BeNull();
    }

    [Test]
    public async Task Lists_what_was_quarantined_and_why()
    {
        await SealedAsync();
        await File.AppendAllTextAsync(Path.Combine(Root, Pod, Id, "main", "dump.tar.zst"), "x");
        await RunAsync("fsck", Root, "--quarantine");
        _output.GetStringBuilder().Clear();

        (await RunAsync("ls", Root)).Should().Be(StoreCommand.Whole);

        _output.ToString().Should().MatchRegex($"quarantined {Pod}/.quarantine.{Id}.*dump.tar.zst has ");
        (await RunAsync("gc", Root, "--age=0s", "--yes")).Should().Be(StoreCommand.Whole);
        Directory.GetDirectories(Path.Combine(Root, Pod)).Should().ContainSingle("only people throw away what is broken");
    }

    [Test]
    public async Task Moves_nothing_that_somebody_writes()
    {
        await SealedAsync();
        await File.AppendAllTextAsync(Path.Combine(Root, Pod, Id, "main", "dump.tar.zst"), "x");
        using (StoreLock.Take(Root, $"{Pod}/{Id}", exclusive: false))
        {
            (await RunAsync("fsck", Root, "--quarantine")).Should().Be(StoreCommand.Failed);
            _errors.ToString().Should().Contain($"{Pod}/{Id} is in use");
        }

        Directory.Exists(Path.Combine(Root, Pod, Id)).Should().BeTrue();
        (await RunAsync("fsck", Root, "--quarantine")).Should().Be(StoreCommand.Broken);
        Directory.Exists(Path.Combine(Root, Pod, Id)).Should().BeFalse();
    }

    [TestCase("fix", "\"fix\" is no command")]
    [TestCase("fsck /nowhere", "\"/nowhere\" is no folder")]
    [TestCase("ls . --quarantine", "has no option \"--quarantine\"")]
    [TestCase("show . ../..", "\"..\" is not valid")]
    [TestCase("gc . --age=1", "\"1\" is no age")]
    [TestCase("gc . --age", "\"\" is no age")]
    [TestCase("gc . --age=-1h", "\"-1h\" is no age")]
    [TestCase("show . x", "\"x\" names no checkpoint")]
    public async Task Says_what_is_wrong_with_the_call(string call, string message)
    {
        (await RunAsync(call.Split(' '))).Should().Be(StoreCommand.BadInput);
        _errors.ToString().Should().Contain(message);
    }

    [TearDown]
    public void CloseWriters()
    {
        _output.GetStringBuilder().Clear();
        _errors.GetStringBuilder().Clear();
    }

    private Task<int> RunAsync(params string[] args) =>
        new StoreCommand(_output, _errors, TimeProvider.System).RunAsync(args, CancellationToken.None);

    private async Task StoreAsync()
    {
        await using var tar = File.OpenRead(Fixtures.Path("crio-counter.tar"));
        await Store.WriteAsync(
            Pod, Id, "main", tar, new Origin { PodNamespace = "shop", PodName = "web" }, new Progress<long>(), CancellationToken.None);
    }

    private async Task SealedAsync()
    {
        await StoreAsync();
        Store.Seal(Pod, Id, ["main"]);
    }
}
