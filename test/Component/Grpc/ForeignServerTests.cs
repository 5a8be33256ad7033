using FluentAssertions;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using NUnit.Framework;
using PodCheckpointing.Api.Agent;

namespace PodCheckpointing.Component.Grpc;

/// <summary>Our client calls gRPC's own C core, in clear over TCP and a unix socket, and over mutual TLS.</summary>
[TestFixture("tcp")]
[TestFixture("unix")]
[TestFixture("tls")]
internal sealed class ForeignServerTests(string transport)
{
    private readonly TestAuthority _authority = new();
    private PythonPeer _peer = null!;
    private GrpcChannel _channel = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        await PythonPeer.InstallAsync();
        _authority.Issue("agent", AgentTls.AgentName);
        var (certificate, key) = _authority.Issue("operator", AgentTls.OperatorName);
        var socket = Path.Combine(_authority.Folder, "echo.sock");
        _peer = await PythonPeer.ServeAsync(
            transport == "unix" ? "unix:" + socket : "127.0.0.1:0", transport == "tls" ? _authority.Folder : "");
        var address = transport switch
        {
            "unix" => "unix://" + socket,
            "tls" => $"https://127.0.0.1:{_peer.Port}",
            _ => $"http://127.0.0.1:{_peer.Port}",
        };
        _channel = GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            Tls = transport == "tls" ? AgentTls.ForOperator(_authority.CaFile, certificate, key) : null,
        });
    }

    [OneTimeTearDown]
    public void Stop()
    {
        _channel.Dispose();
        _peer.Dispose();
        _authority.Dispose();
    }

    [TestCase("")]
    [TestCase("größer – 検査")]
    public async Task Answers_a_unary_call(string value) =>
        (await CallAsync("Say", value)).Should().Be(value);

    [Test]
    public async Task Takes_a_large_request() =>
        (await CallAsync("Say", new string('y', 3_000_000))).Length.Should().Be(3_000_000);

    [Test]
    public async Task Answers_many_calls_at_once()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(n => CallAsync("Say", $"{n}")));

        answers.Should().Equal(Enumerable.Range(0, 200).Select(n => $"{n}"));
    }

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(500)]
    public async Task Sends_every_message_of_a_stream_in_order(int messages)
    {
        var values = new List<string>();
        await foreach (var value in StreamAsync("Count", $"{messages}", CancellationToken.None))
        {
            values.Add(value.Value);
        }

        values.Should().Equal(Enumerable.Range(0, messages).Select(n => $"{n}"));
    }

    [TestCase("NOT_FOUND", StatusCode.NotFound, "no pod")]
    [TestCase("FAILED_PRECONDITION", StatusCode.FailedPrecondition, "größer als 100 % – 検査\nzweite Zeile")]
    [TestCase("UNAUTHENTICATED", StatusCode.Unauthenticated, "")]
    public async Task Fails_with_code_message_and_trailers(string theirs, StatusCode ours, string message)
    {
        var failure = (await Awaiting(() => CallAsync("Fail", $"{theirs}|{message}"))).Which;

        failure.Status.Should().Be(new Status(ours, message));
        AgentReasons.Of(failure).Should().Be("BecauseOfPython");
    }

    [Test]
    public async Task Fails_behind_messages()
    {
        var values = new List<string>();
        var failure = await Awaiting(async () =>
        {
            await foreach (var value in StreamAsync("CountAndFail", "2", CancellationToken.None))
            {
                values.Add(value.Value);
            }
        });

        failure.Which.Status.Should().Be(new Status(StatusCode.DataLoss, "größer als 100 % – 検査"));
        values.Should().Equal("0", "1");
    }

    [Test]
    public async Task Serves_no_unknown_method() =>
        (await Awaiting(() => CallAsync("Nothing", ""))).Which.StatusCode.Should().Be(StatusCode.Unimplemented);

    [Test]
    public async Task Fails_by_an_exception() =>
        (await Awaiting(() => CallAsync("Crash", ""))).Which.StatusCode.Should().Be(StatusCode.Unknown);

    [Test]
    public async Task Gets_headers()
    {
        var options = new CallOptions(new Metadata { { "X-Key", "value 1" } }, null, CancellationToken.None);

        var answer = await _channel.UnaryCallAsync(Echo.Unary("Headers"), Text("x-key"), options);

        answer.Value.Should().Be("value 1");
    }

    [TestCase(30)]
    [TestCase(90_000_000)]
    public async Task Is_told_the_deadline(double seconds)
    {
        var answer = await _channel.UnaryCallAsync(
            Echo.Unary("Remaining"), Text(""), _channel.Within(TimeSpan.FromSeconds(seconds), CancellationToken.None));

        double.Parse(answer.Value, null).Should().BeInRange(seconds - 20, seconds);
    }

    [Test]
    public async Task Misses_the_deadline_and_is_told()
    {
        // A call whose deadline passes while it connects reaches no handler that could be told.
        await CallAsync("Say", "");
        var failure = await Awaiting(() => _channel.UnaryCallAsync(
            Echo.Unary("Hang"), Text("late"), _channel.Within(TimeSpan.FromSeconds(2), CancellationToken.None)));

        failure.Which.StatusCode.Should().Be(StatusCode.DeadlineExceeded);
        (await CallAsync("WasCancelled", "late")).Should().Be("True");
    }

    [Test]
    public async Task Sends_no_more_than_we_take() =>
        (await Awaiting(() => CallAsync("Large", $"{5 * 1024 * 1024}")))
        .Which.StatusCode.Should().Be(StatusCode.ResourceExhausted);

    [Test]
    public async Task Is_told_when_we_cancel()
    {
        using var source = new CancellationTokenSource();
        var reading = async () =>
        {
            await foreach (var _ in StreamAsync("CountAndHang", "2", source.Token))
            {
                await source.CancelAsync();
            }
        };

        await reading.Should().ThrowAsync<OperationCanceledException>();
        (await CallAsync("WasCancelled", "2")).Should().Be("True");
    }

    [Test]
    public async Task Is_told_when_we_stop_reading()
    {
        await foreach (var _ in StreamAsync("CountAndHang", "1", CancellationToken.None))
        {
            break;
        }

        (await CallAsync("WasCancelled", "1")).Should().Be("True");
    }

    [Test]
    public async Task Knows_us_by_our_certificate() =>
        (await CallAsync("Peer", "")).Should().Be(transport == "tls" ? AgentTls.OperatorName : "none");

    private static async Task<FluentAssertions.Specialized.ExceptionAssertions<RpcException>> Awaiting(
        Func<Task> action) =>
        await action.Should().ThrowAsync<RpcException>();

    private static StringValue Text(string value) => new() { Value = value };

    private IAsyncEnumerable<StringValue> StreamAsync(
        string method, string value, CancellationToken cancellationToken) =>
        _channel.ServerStreamingCall(
            Echo.Streaming(method), Text(value), new CallOptions(null, null, cancellationToken));

    private async Task<string> CallAsync(string method, string value) =>
        (await _channel.UnaryCallAsync(Echo.Unary(method), Text(value), default)).Value;
}
