using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Component.Grpc;

/// <summary>gRPC's own C core calls our server, in clear over TCP and a unix socket, and over mutual TLS.</summary>
[TestFixture("tcp")]
[TestFixture("unix")]
[TestFixture("tls")]
internal sealed class ForeignClientTests(string transport) : ForeignClient(transport)
{
    private static readonly string[] TwoMessages = ["0", "1"];

    [TestCase("")]
    [TestCase("größer – 検査")]
    public async Task Gets_the_response_of_a_unary_call(string value) =>
        (await CallAsync("unary", "Say", value))
            .Should().BeEquivalentTo(new { Values = (string[])[value], Code = "OK" });

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(500)]
    public async Task Gets_every_message_of_a_stream_in_order(int messages)
    {
        var result = await CallAsync("stream", "Count", $"{messages}");

        result.Code.Should().Be("OK");
        result.Values.Should().Equal(Enumerable.Range(0, messages).Select(n => $"{n}"));
    }

    [TestCase("NotFound", "NOT_FOUND", "no pod")]
    [TestCase("FailedPrecondition", "FAILED_PRECONDITION", "größer als 100 % – 検査\nzweite Zeile")]
    [TestCase("Unauthenticated", "UNAUTHENTICATED", "")]
    public async Task Sees_code_message_and_trailers_of_a_failure(string ours, string theirs, string message)
    {
        var result = await CallAsync("unary", "Fail", $"{ours}|{message}");

        result.Should().BeEquivalentTo(new { Code = theirs, Details = message });
        result.Trailers.Should().Contain("podcheckpointing-reason", "BecauseOfUs");
    }

    [Test]
    public async Task Sees_a_failure_behind_messages() =>
        (await CallAsync("stream", "CountAndFail", "2")).Should().BeEquivalentTo(new
        {
            Values = TwoMessages,
            Code = "DATA_LOSS",
            Details = "größer als 100 % – 検査",
        });

    [Test]
    public async Task Learns_nothing_from_an_exception()
    {
        var result = await CallAsync("unary", "Crash", "");

        result.Code.Should().Be("INTERNAL");
        result.Details.Should().NotContain("secret");
    }

    [Test]
    public async Task Sees_cancelled_when_the_handler_gives_up() =>
        (await CallAsync("unary", "GiveUp", "")).Code.Should().Be("CANCELLED");

    [TestCase("Nothing")]
    [TestCase("/other.Service/With.Dot")]
    public async Task Sees_unimplemented_for_an_unknown_method(string method) =>
        (await CallAsync("unary", method, "")).Code.Should().Be("UNIMPLEMENTED");

    [Test]
    public async Task Sends_headers_and_gets_trailers()
    {
        var result = await CallAsync("unary", "Headers", "x-key", "", "x-key=value 1");

        result.Values.Should().Equal("value 1");
        result.Trailers.Should().Contain("x-trailer", "behind");
    }

    [Test]
    public async Task Sees_the_deadline_pass_and_the_handler_is_told()
    {
        var result = await CallAsync("unary", "Hang", "", "2");

        result.Code.Should().Be("DEADLINE_EXCEEDED");
        await Echo.CancelledAsync("Hang");
    }

    [TestCase("", 0, 0)]
    // grpc-core rounds what it sends up, to two or three digits.
    [TestCase("30", 20, 31)]
    [TestCase("900000", 890000, 910000)]
    [TestCase("90000000", 80000000, 91000000)]
    public async Task Tells_its_deadline(string timeout, double atLeast, double atMost)
    {
        var result = await CallAsync("unary", "Remaining", "", timeout);

        var value = result.Values.Should().ContainSingle(result.Details).Subject;
        if (timeout.Length == 0)
        {
            value.Should().Be("none");
        }
        else
        {
            double.Parse(value, null).Should().BeInRange(atLeast, atMost);
        }
    }

    [Test]
    public async Task Cancels_a_stream_and_the_handler_is_told()
    {
        var result = await CallAsync("cancel2", "CountAndHang", "2");

        result.Should().BeEquivalentTo(new { Values = TwoMessages, Code = "CANCELLED" });
        await Echo.CancelledAsync("CountAndHang");
    }

    [Test]
    public async Task Gets_a_large_response() =>
        (await CallAsync("unary", "Large", "3000000")).Values.Single().Length.Should().Be(3_000_000);

    [Test]
    public async Task Sends_a_large_request() =>
        // Longer than any flow control window at the start of a connection; the argument of a process holds no more.
        (await CallAsync("unary", "Say", new string('y', 120_000))).Values.Single().Length.Should().Be(120_000);
}
