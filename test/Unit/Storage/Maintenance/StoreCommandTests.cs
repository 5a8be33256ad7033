using System.Text.Json.Nodes;
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
        var moved =
            Directory.GetDirectories(Path.Combine(Root, Pod), $".quarantine.{Id}.*").Should().ContainSingle().Subject;
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
        var used = new DirectoryInfo(Path.Combine(Root, Pod))
            .EnumerateFiles("*", SearchOption.AllDirectories)
            .Sum(f => f.Length);
        _output.ToString().Should().Contain($"pod shop/web ({Pod}): 1, {used} bytes")
            .And.Contain($"namespace shop: 1, {used} bytes");
    }

    [Test]
    public async Task Exports_the_runtimes_own_bytes()
    {
        await SealedAsync();
        var target = Path.Combine(Out, "counter.tar");

        (await RunAsync("export", Root, $"{Pod}/{Id}/main", target)).Should().Be(StoreCommand.Whole);
        (await File.ReadAllBytesAsync(target))
            .Should().Equal(await File.ReadAllBytesAsync(Fixtures.Path("crio-counter.tar")));
        Directory.GetFiles(Out).Should().Equal(target);
    }

    [Test]
    public async Task Carries_a_whole_checkpoint_to_another_store()
    {
        await SealedAsync();
        var file = Path.Combine(Out, "checkpoint.tar");
        (await RunAsync("export", Root, $"{Pod}/{Id}", file)).Should().Be(StoreCommand.Whole);
        File.GetUnixFileMode(file).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var other = Directory.CreateDirectory(Path.Combine(Out, "other")).FullName;

        (await RunAsync("import", other, file)).Should().Be(StoreCommand.Whole);
        (await RunAsync("import", other, file)).Should().Be(StoreCommand.Whole);
        _output.ToString().Should().Contain("stood there already");
        (await RunAsync("fsck", other)).Should().Be(StoreCommand.Whole);

        await File.WriteAllBytesAsync(file, (await File.ReadAllBytesAsync(file))[..3000]);
        (await RunAsync("import", Directory.CreateDirectory(Path.Combine(Out, "third")).FullName, file))
            .Should().Be(StoreCommand.Broken);
        _errors.ToString().Should().Contain("cut short");
    }

    [Test]
    public async Task An_export_has_its_name_for_good()
    {
        await SealedAsync();
        var target = Path.Combine(Out, "counter.tar");
        using var opened = new Opened(Out);

        (await RunAsync("export", Root, $"{Pod}/{Id}/main", target)).Should().Be(StoreCommand.Whole);

        var seen = opened.Read();
        seen[seen.IndexOf($"to {target}")..].Should().Contain(Out, "a folder is synced after a name came into it");
    }

    [Test]
    public async Task Exports_nothing_of_a_broken_artifact()
    {
        await SealedAsync();
        var path = Path.Combine(Root, Pod, Id, "main", "dump.tar.zst");
        var bytes = await File.ReadAllBytesAsync(path);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(path, bytes);

        (await RunAsync("export", Root, $"{Pod}/{Id}/main", Path.Combine(Out, "counter.tar")))
            .Should().Be(StoreCommand.Broken);
        Directory.GetFiles(Out).Should().BeEmpty();
    }

    [Test]
    public async Task Shows_what_a_checkpoint_is()
    {
        await SealedAsync();
        var manifest = Store.FindSealed(Pod, Id, "main");

        (await RunAsync("show", Root, $"{Pod}/{Id}")).Should().Be(StoreCommand.Whole);

        _output.ToString().Should().Contain($"{Pod}/{Id}: complete, ")
            .And.Contain($"main: {manifest.Size} bytes, {manifest.CompressedSize} stored, 35 entries")
            .And.Contain(manifest.Digest).And.Contain("shop/web on node-a").And.Contain("localhost/busybox:1");
    }

    [Test]
    public async Task Verifies_one_checkpoint_and_no_other()
    {
        await SealedAsync();
        const string Second = "20261121t003412z-bbbbbb";
        await Store.WriteAsync(
            Pod, Second, Volume, new MemoryStream(new byte[1024]), new Origin(), new Progress<long>(),
            CancellationToken.None);
        Store.Seal(Pod, Second, [Volume]);
        await File.AppendAllTextAsync(Path.Combine(Root, Pod, Second, Volume, "dump.tar.zst"), "x");

        (await RunAsync("verify", Root, $"{Pod}/{Id}")).Should().Be(StoreCommand.Whole);
        (await RunAsync("verify", Root, $"{Pod}/{Second}")).Should().Be(StoreCommand.Broken);
        _output.ToString().Should().Contain($"BROKEN {Pod}/{Second}/{Volume}: ");
        (await RunAsync("verify", Root, $"{Pod}/20261121t003412z-cccccc")).Should().Be(StoreCommand.BadInput);
    }

    [Test]
    public async Task Tells_machines_the_same()
    {
        await SealedAsync();
        await File.WriteAllTextAsync(Path.Combine(Root, Pod, Id, "main", "manifest.json.partial"), "half");

        var listed = await JsonAsync("ls", Root);
        listed["checkpoints"]!.AsArray().Should().ContainSingle();
        listed["checkpoints"]![0]!["podUID"]!.GetValue<string>().Should().Be(Pod);
        listed["checkpoints"]![0]!["complete"]!.GetValue<bool>().Should().BeTrue();
        listed["namespaces"]![0]!["namespace"]!.GetValue<string>().Should().Be("shop");
        listed["pods"]![0]!["bytes"]!.GetValue<long>()
            .Should().Be(listed["checkpoints"]![0]!["bytes"]!.GetValue<long>());
        listed["quarantined"]!.AsArray().Should().BeEmpty();

        var shown = await JsonAsync("show", Root, $"{Pod}/{Id}");
        shown["manifests"]![0]!["digest"]!.GetValue<string>().Should().Be(Store.FindSealed(Pod, Id, "main").Digest);
        shown["namespace"]!.GetValue<string>().Should().Be("shop");

        foreach (var call in new[] { new[] { "verify", Root, $"{Pod}/{Id}" }, ["fsck", Root] })
        {
            var verified = await JsonAsync(call);
            verified["checkpoints"]!.GetValue<int>().Should().Be(1);
            verified["findings"]![0]!["broken"]!.GetValue<bool>().Should().BeFalse();
            verified["findings"]![0]!["path"]!.GetValue<string>().Should().Be($"{Pod}/{Id}/main/manifest.json.partial");
        }

        var swept = await JsonAsync("gc", Root, "--age=0s");
        swept.AsArray().Should().ContainSingle();
        swept[0]!["path"]!.GetValue<string>().Should().Be($"{Pod}/{Id}/main/manifest.json.partial");
        swept[0]!["removed"]!.GetValue<bool>().Should().BeFalse();
        swept[0]!["bytes"]!.GetValue<long>().Should().Be(4);
    }

    [Test]
    public async Task Removes_leftovers_only_when_told_to()
    {
        await StoreAsync();
        (await RunAsync("gc", Root)).Should().Be(StoreCommand.Whole);
        _output.ToString().Should().Be("0 leftovers, 0 bytes\n", "it is young");
        _output.GetStringBuilder().Clear();

        (await RunAsync("gc", Root, "--age=0s")).Should().Be(StoreCommand.Whole);
        _output.ToString()
            .Should().Contain($"would remove {Pod}/{Id}: a checkpoint that was never completed").And.Contain("--yes");
        Store.Find(Pod, Id, "main").Should().NotBeNull();

        (await RunAsync("gc", Root, "--age=0s", "--yes")).Should().Be(StoreCommand.Whole);
        _output.ToString().Should().Contain($"removed {Pod}/{Id}");
        Store.Find(Pod, Id, "main").Should().BeNull();
    }

    [Test]
    public async Task Takes_false_for_no()
    {
        await SealedAsync();
        await File.AppendAllTextAsync(Path.Combine(Root, Pod, Id, "main", "dump.tar.zst"), "x");
        await File.WriteAllTextAsync(Path.Combine(Root, Pod, Id, "main", "manifest.json.partial"), "half");

        (await RunAsync("fsck", Root, "--quarantine=false")).Should().Be(StoreCommand.Broken);
        (await RunAsync("gc", Root, "--age=0s", "--yes=false")).Should().Be(StoreCommand.Whole);
        File.Exists(Path.Combine(Root, Pod, Id, "main", "manifest.json.partial")).Should().BeTrue();

        (await RunAsync("gc", Root, "--age=0s", "--yes=true")).Should().Be(StoreCommand.Whole);
        File.Exists(Path.Combine(Root, Pod, Id, "main", "manifest.json.partial")).Should().BeFalse();
        (await RunAsync("fsck", Root, "--quarantine=true")).Should().Be(StoreCommand.Broken);
        Directory.Exists(Path.Combine(Root, Pod, Id)).Should().BeFalse();
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
        Directory.GetDirectories(Path.Combine(Root, Pod))
            .Should().ContainSingle("only people throw away what is broken");
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
    [TestCase("import . nowhere.tar", "there is no file \"nowhere.tar\"")]
    [TestCase("export . x y", "\"x\" names no checkpoint")]
    [TestCase("gc . --age=1", "\"1\" is no age")]
    [TestCase("gc . --age", "\"\" is no age")]
    [TestCase("gc . --age=-1h", "\"-1h\" is no age")]
    [TestCase("gc . --age=99999999d", "\"99999999d\" is no age")]
    [TestCase("gc . --age=1000000d", "\"1000000d\" is no age")]
    [TestCase("gc . --yes=no", "--yes=\"no\": write --yes, --yes=true or --yes=false")]
    [TestCase("fsck . --quarantine=", "--quarantine=\"\": write --quarantine,")]
    [TestCase("ls . --json=1", "--json=\"1\": write --json,")]
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

    private async Task<JsonNode> JsonAsync(params string[] call)
    {
        _output.GetStringBuilder().Clear();
        (await RunAsync([.. call, "--json"])).Should().Be(StoreCommand.Whole);
        return JsonNode.Parse(_output.ToString())!;
    }

    private async Task StoreAsync()
    {
        await using var tar = File.OpenRead(Fixtures.Path("crio-counter.tar"));
        await Store.WriteAsync(
            Pod, Id, "main", tar,
            new Origin
            {
                PodNamespace = "shop",
                PodName = "web",
                NodeName = "node-a",
                ImageReference = "localhost/busybox:1",
            },
            new Progress<long>(), CancellationToken.None);
    }

    private async Task SealedAsync()
    {
        await StoreAsync();
        Store.Seal(Pod, Id, ["main"]);
    }
}
