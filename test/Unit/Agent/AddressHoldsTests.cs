using FluentAssertions;
using Grpc.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Network;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Unit.Agent;

internal sealed class AddressHoldsTests
{
    private readonly HandTime _time = new();
    private readonly List<string> _scripts = [];
    private string _root = null!;

    /// <summary>The node's packet filter refuses scripts with this in them.</summary>
    private string? _broken;
    private Exception _trouble = null!;
    private AddressHolds _holds = null!;

    [SetUp]
    public void Begin()
    {
        _root = Directory.CreateTempSubdirectory("holds").FullName;
        _scripts.Clear();
        _broken = null;
        _trouble = new RpcException(new Status(StatusCode.Unavailable, "the node's iptables failed"));
        _time.Advance(DateTimeOffset.UtcNow - _time.GetUtcNow());
        _holds = New();
    }

    [TearDown]
    public void End()
    {
        _holds.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [Test]
    public async Task What_nobody_lets_go_is_let_go_when_its_time_is_up_and_no_pod_has_the_address()
    {
        await _holds.HoldAsync("m1", ["10.0.0.5"], TimeSpan.FromSeconds(90), CancellationToken.None);
        (await SweepAsync()).Should().Be(0, "its holder may need it still");
        _time.Advance(TimeSpan.FromSeconds(91));
        (await SweepAsync("10.0.0.4", "10.0.0.5")).Should().Be(0, "a pod has it");
        Files().Should().Equal("m1", "m1.spare");

        (await SweepAsync("10.0.0.4")).Should().Be(1);

        _scripts[^1].Should().Contain("let_go iptables -d 10.0.0.5");
        Files().Should().Equal("m1.over");
        var late = () => _holds.HoldAsync("m1", ["10.0.0.5"], TimeSpan.FromSeconds(90), CancellationToken.None);
        await late.Should().ThrowAsync<RpcException>("the call came late");
    }

    [Test]
    public async Task Who_says_no_time_has_a_day()
    {
        await _holds.HoldAsync("m1", ["10.0.0.5"], TimeSpan.Zero, CancellationToken.None);
        _time.Advance(TimeSpan.FromHours(23));
        (await SweepAsync()).Should().Be(0);
        _time.Advance(TimeSpan.FromHours(2));
        (await SweepAsync()).Should().Be(1);
    }

    [Test]
    public async Task An_end_is_remembered_for_as_long_as_a_call_may_be_late()
    {
        await _holds.LetGoAsync("m1", CancellationToken.None);
        _time.Advance(TimeSpan.FromMinutes(50));
        await SweepAsync();
        Files().Should().Equal("m1.over");

        _time.Advance(TimeSpan.FromMinutes(20));
        await SweepAsync();

        Files().Should().BeEmpty();
    }

    [Test]
    public async Task An_end_is_remembered_for_as_long_as_a_pod_has_the_address()
    {
        await _holds.HoldAsync("m1", ["10.0.0.5"], TimeSpan.FromSeconds(90), CancellationToken.None);
        await _holds.LetGoAsync("m1", CancellationToken.None);
        await _holds.LetGoAsync("m1", CancellationToken.None);
        for (var day = 0; day < 3; day++)
        {
            _time.Advance(TimeSpan.FromDays(1));
            await SweepAsync("10.0.0.5");
        }

        var late = () => _holds.HoldAsync("m1", ["10.0.0.5"], TimeSpan.FromSeconds(90), CancellationToken.None);
        await late.Should().ThrowAsync<RpcException>("the pod has come through, and would be cut off");
        _time.Advance(TimeSpan.FromHours(2));
        await SweepAsync("10.0.0.4");
        Files().Should().BeEmpty();
    }

    [Test]
    public async Task The_next_agent_holds_what_is_held_also_by_the_files_of_an_older_one()
    {
        await _holds.HoldAsync("m1", ["10.0.0.5"], TimeSpan.FromSeconds(90), CancellationToken.None);
        await File.WriteAllTextAsync(Path.Combine(_root, "addresses", "m2"), "10.0.0.6\n");
        using var next = New();
        _scripts.Clear();

        await next.RecoverAsync(CancellationToken.None);
        await next.LetGoAsync("m2", CancellationToken.None);

        var lines = string.Concat(_scripts);
        lines.Should().Contain("hold iptables -s 10.0.0.5").And.Contain("hold iptables -s 10.0.0.6").And.Contain(
            "let_go iptables -s 10.0.0.6").And.NotContain("until");
        Files().Should().Equal("m1", "m1.spare", "m2.over");
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task One_that_cannot_be_put_back_keeps_nobody_waiting_but_those_who_hold_new_ones(bool inTime)
    {
        _trouble = inTime ? new OperationCanceledException("it took too long") : _trouble;
        var day = TimeSpan.FromDays(1);
        await _holds.HoldAsync("m1", ["10.0.0.5"], day, CancellationToken.None);
        await _holds.HoldAsync("m2", ["10.0.0.6"], day, CancellationToken.None);
        _broken = "10.0.0.5";
        using var next = New();
        _scripts.Clear();

        await next.RecoverAsync(CancellationToken.None);

        string.Concat(_scripts).Should().Contain("hold iptables -s 10.0.0.6");
        await next.LetGoAsync("m2", CancellationToken.None);
        (await FluentActions.Awaiting(() => next.HoldAsync("m3", ["10.0.0.7"], day, CancellationToken.None))
            .Should().ThrowAsync<RpcException>()).Which.StatusCode.Should().Be(StatusCode.Unavailable);
        Files().Should().Equal("m1", "m1.spare", "m2.over");

        _broken = null;
        await next.RecoverAsync(CancellationToken.None);
        await next.HoldAsync("m3", ["10.0.0.7"], day, CancellationToken.None);
        _scripts.Clear();
        await next.RecoverAsync(CancellationToken.None);
        _scripts.Should().BeEmpty("they stand");
    }

    [Test]
    public async Task One_that_cannot_be_let_go_keeps_no_other_from_it()
    {
        await _holds.HoldAsync("m1", ["10.0.0.5"], TimeSpan.FromSeconds(90), CancellationToken.None);
        await _holds.HoldAsync("m2", ["10.0.0.6"], TimeSpan.FromSeconds(90), CancellationToken.None);
        _time.Advance(TimeSpan.FromSeconds(91));

        // Whichever of them comes first.
        _broken = "10.0.0.5";
        (await SweepAsync()).Should().Be(1);
        Files().Should().Equal("m1", "m1.over", "m2.over");
        _broken = null;
        (await SweepAsync()).Should().Be(1);

        Files().Should().Equal("m1.over", "m2.over");
    }

    [Test]
    public async Task What_was_laid_by_for_a_hold_that_never_came_is_swept()
    {
        await _holds.HoldAsync("m1", ["10.0.0.5"], TimeSpan.FromSeconds(90), CancellationToken.None);
        File.Delete(Path.Combine(_root, "addresses", "m1"));

        await SweepAsync();

        Files().Should().BeEmpty();
    }

    [Test]
    public async Task Who_hangs_up_does_not_let_the_next_call_run_beside_its_script()
    {
        var end = new TaskCompletionSource();
        var scripts = new List<string>();
        using var holds =
            new AddressHolds(Options.Create(new AgentOptions { StateRoot = _root }), _time, async script =>
            {
                scripts.Add(script);
                await end.Task;
            }, NullLogger<AddressHolds>.Instance);
        using var caller = new CancellationTokenSource();
        var holding = holds.HoldAsync("m1", ["10.0.0.5"], TimeSpan.FromSeconds(90), caller.Token);
        await caller.CancelAsync();

        var lettingGo = holds.LetGoAsync("m1", CancellationToken.None);

        scripts.Should().ContainSingle("a script works on when its caller has gone");
        end.SetResult();
        await Task.WhenAll(holding, lettingGo);
        scripts.Should().HaveCount(2);
        scripts[1].Should().Contain("let_go iptables -s 10.0.0.5");
        Files().Should().Equal("m1.over");
    }

    private AddressHolds New() => new(
        Options.Create(new AgentOptions { StateRoot = _root }), _time, script =>
        {
            _scripts.Add(script);
            return _broken is { } broken && script.Contains(broken, StringComparison.Ordinal)
                ? throw _trouble
                : Task.CompletedTask;
        },
        NullLogger<AddressHolds>.Instance);

    private Task<int> SweepAsync(params string[] taken) =>
        _holds.SweepAsync(_ => Task.FromResult<IReadOnlySet<string>>(taken.ToHashSet()), CancellationToken.None);

    private IEnumerable<string?> Files() =>
        Directory.GetFiles(Path.Combine(_root, "addresses")).Select(Path.GetFileName).Order();

    [Test]
    public void Both_directions_of_each_address_are_held_by_the_tool_of_its_family() =>
        AddressHolds.Rules("m1", ["10.0.0.5", "fd00::5"], "hold")
            .Split('\n')
            .Where(l => l.StartsWith("hold ", StringComparison.Ordinal))
            .Should().Equal(
            "hold iptables -s 10.0.0.5 || exit 1", "hold iptables -d 10.0.0.5 || exit 1",
            "hold ip6tables -s fd00::5 || exit 1", "hold ip6tables -d fd00::5 || exit 1");

    [TestCase("m1", "10.0.0.5; reboot")]
    [TestCase("m1", "")]
    [TestCase("m1; reboot", "10.0.0.5")]
    [TestCase("../m1", "10.0.0.5")]
    [TestCase("M1", "10.0.0.5")]
    [TestCase("-m1", "10.0.0.5")]
    public async Task What_is_no_uid_or_no_address_comes_into_no_script(string holder, string address)
    {
        var holding = () => _holds.HoldAsync(holder, [address], TimeSpan.Zero, CancellationToken.None);

        await holding.Should().ThrowAsync<RpcException>().Where(e => e.StatusCode == StatusCode.InvalidArgument);
    }
}
