using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Restores;

/// <summary>The handler where the processes may run before all their pages are in.</summary>
internal sealed class LazyHandlerTests
{
    private Handler _handler = null!;
    private string _staging = null!;

    [SetUp]
    public void Prepare()
    {
        _handler = new Handler();
        _handler.GivenBundle();
        _staging = _handler.Stage("u1", "app", go: false);
        File.WriteAllText(In("lazy"), "\n");
    }

    [TearDown]
    public void Clean() => _handler.Dispose();

    [TestCase("0")]
    [TestCase("1")]
    public async Task A_daemon_brings_the_pages_and_its_end_is_written_down(string code)
    {
        (await _handler.CreateAsync()).Should().Be((0, ""));

        _handler.Calls[0]
            .Should().Be($"criu lazy-pages --images-dir {_staging}/checkpoint --work-dir {_staging} -o lazy-pages.log");
        _handler.Calls.Should().ContainSingle(call => call.Contains(" restore ")).And.Contain("lazy");
        Directory.Exists($"/proc/{File.ReadAllText(In("lazy-pid")).Split(' ')[0].Trim()}")
            .Should().BeTrue("it outlives the handler");
        File.Exists(In("pages")).Should().BeFalse();

        File.WriteAllText(_handler.In("daemon-ends"), code);
        (await TextAsync("pages")).Should().Be(code);
    }

    [Test]
    public async Task Nobody_is_sent_to_a_daemon_that_does_not_listen_yet()
    {
        File.WriteAllText(_handler.In("listens-late"), "");
        _handler.WatchPauses();
        var creating = _handler.CreateAsync();
        await TextAsync("lazy-pid");
        await Wait.UntilAsync(() => File.Exists(In("lazy-pages.socket")));

        // Its socket stands, and would refuse: crun is not called before it listens. Between the first pause from now
        // on and the second it has looked.
        var pauses = _handler.Pauses;
        await Wait.UntilAsync(() => creating.IsCompleted || _handler.Pauses >= pauses + 2);
        _handler.Calls.Should().NotContain(call => call.Contains(" restore "));
        File.WriteAllText(_handler.In("listen"), "");

        (await creating).Should().Be((0, ""));
        _handler.Calls.Should().ContainSingle(call => call.Contains(" restore ")).And.Contain("lazy");
    }

    [Test]
    public async Task Without_a_daemon_it_is_restored_as_usual()
    {
        File.WriteAllText(_handler.In("no-daemon"), "");

        (await _handler.CreateAsync()).Should().Be((0, ""));

        RestoredAsUsual();
    }

    [Test]
    public async Task What_cannot_be_restored_so_is_restored_as_usual()
    {
        File.WriteAllText(_handler.In("broken-lazy"), "");

        (await _handler.CreateAsync()).Should().Be((0, ""));

        _handler.Calls.Count(call => call.Contains(" restore ")).Should().Be(2);
        RestoredAsUsual();
    }

    [Test]
    public async Task What_cannot_be_restored_at_all_says_so()
    {
        _handler.BreakCrun();

        (await _handler.CreateAsync()).Code.Should().Be(1);

        File.ReadAllText(In("error")).Should().Contain("CRIU could not restore");
    }

    private void RestoredAsUsual()
    {
        foreach (var left in new[] { "lazy", "lazy-pid" })
        {
            File.Exists(In(left)).Should().BeFalse();
        }

        File.Exists(In("restored")).Should().BeTrue();
    }

    private string In(string name) => Path.Combine(_staging, name);

    private async Task<string> TextAsync(string name)
    {
        await Wait.UntilAsync(() => File.Exists(In(name)), name);
        return (await File.ReadAllTextAsync(In(name))).Trim();
    }
}
