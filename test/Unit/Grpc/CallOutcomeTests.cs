using System.Net;
using System.Net.Http.Headers;
using FluentAssertions;
using Grpc.Core;
using Grpc.Net.Client;
using NUnit.Framework;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Unit.Grpc;

internal sealed class CallOutcomeTests
{
    [TestCase("0", null)]
    [TestCase("5", StatusCode.NotFound)]
    [TestCase("16", StatusCode.Unauthenticated)]
    [TestCase("17", StatusCode.Unknown)]
    [TestCase("-1", StatusCode.Unknown)]
    [TestCase("", StatusCode.Unknown)]
    [TestCase("OK", StatusCode.Unknown)]
    public void Reads_the_status(string status, StatusCode? code)
    {
        using var response =
            Response(HttpStatusCode.OK, ("grpc-status", status), ("grpc-message", "a%20b"), ("x-more", "1"));

        var failure = CallOutcome.OfHeaders(response);

        failure?.Status.Should().Be(new Status(code!.Value, "a b"));
        (failure is null).Should().Be(code is null);
        failure?.Trailers.Select(t => t.Key).Should().Equal("x-more");
    }

    [Test]
    public void Finds_no_status()
    {
        using var response = Response(HttpStatusCode.OK);

        CallOutcome.OfTrailers(response.TrailingHeaders)!.StatusCode.Should().Be(StatusCode.Internal);
    }

    [TestCase(HttpStatusCode.BadRequest, StatusCode.Internal)]
    [TestCase(HttpStatusCode.Unauthorized, StatusCode.Unauthenticated)]
    [TestCase(HttpStatusCode.Forbidden, StatusCode.PermissionDenied)]
    [TestCase(HttpStatusCode.NotFound, StatusCode.Unimplemented)]
    [TestCase(HttpStatusCode.TooManyRequests, StatusCode.Unavailable)]
    [TestCase(HttpStatusCode.BadGateway, StatusCode.Unavailable)]
    [TestCase(HttpStatusCode.ServiceUnavailable, StatusCode.Unavailable)]
    [TestCase(HttpStatusCode.GatewayTimeout, StatusCode.Unavailable)]
    [TestCase(HttpStatusCode.UnsupportedMediaType, StatusCode.Unknown)]
    [TestCase(HttpStatusCode.OK, StatusCode.Unknown, Description = "a web page is no gRPC")]
    public void Translates_the_answers_of_others_than_gRPC(HttpStatusCode status, StatusCode code)
    {
        using var response = Response(status);
        response.Content = new StringContent("<html>");

        CallOutcome.OfHeaders(response)!.StatusCode.Should().Be(code);
    }

    [Test]
    public void Goes_on_reading_when_the_answer_is_gRPC()
    {
        using var response = Response(HttpStatusCode.OK);
        response.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc+proto");

        CallOutcome.OfHeaders(response).Should().BeNull();
    }

    [TestCase(0x0, StatusCode.Unavailable)]
    [TestCase(0x1, StatusCode.Internal)]
    [TestCase(0x2, StatusCode.Internal)]
    [TestCase(0x5, StatusCode.Unknown)]
    [TestCase(0x7, StatusCode.Unavailable)]
    [TestCase(0x8, StatusCode.Cancelled)]
    [TestCase(0xb, StatusCode.ResourceExhausted)]
    [TestCase(0xc, StatusCode.PermissionDenied)]
    [TestCase(0x77, StatusCode.Internal)]
    public void Translates_resets(long error, StatusCode code) =>
        CallOutcome.OfFailure(new HttpRequestException("x", new HttpProtocolException(error, "reset", null)))
            .StatusCode.Should().Be(code);

    [Test]
    public void Calls_a_broken_connection_unavailable() =>
        CallOutcome.OfFailure(new HttpRequestException("x", new IOException("pipe is broken")))
            .Status.Should().Be(new Status(StatusCode.Unavailable, "pipe is broken"));

    [TestCase("with space", "v")]
    [TestCase("ümlaut", "v")]
    [TestCase("", "v")]
    [TestCase("key\n", "v")]
    [TestCase("key", "größer")]
    [TestCase("key", "two\r\nlines")]
    public void Metadata_takes_nothing_that_cannot_travel(string key, string value) =>
        FluentActions.Invoking(() => new Metadata { { key, value } }).Should().Throw<ArgumentException>();

    [TestCase("ftp://host")]
    [TestCase("host:50051")]
    [TestCase("/run/containerd.sock")]
    [TestCase("unix://relative")]
    [TestCase("")]
    public void A_channel_needs_an_address_it_knows(string address) =>
        FluentActions.Invoking(() => GrpcChannel.ForAddress(address, new GrpcChannelOptions()))
            .Should().Throw<ArgumentException>();

    [Test]
    public void A_reason_is_the_agents_word()
    {
        var status = new Status(StatusCode.FailedPrecondition, "another pod");

        AgentReasons.Of(new RpcException(status, new Metadata { { AgentReasons.ReasonTrailer, "SourcePodReplaced" } }))
            .Should().Be("SourcePodReplaced");
    }

    [Test]
    public void Without_one_only_silence_is_called_so([Values] StatusCode code) =>
        AgentReasons.Of(new RpcException(new Status(code, ""))).Should().Be(
            code is StatusCode.Unavailable or StatusCode.DeadlineExceeded
                ? Reasons.AgentUnavailable
                : Reasons.AgentFailed);

    [TestCase(StatusCode.Cancelled, true)]
    [TestCase(StatusCode.Unknown, true)]
    [TestCase(StatusCode.InvalidArgument, false)]
    [TestCase(StatusCode.DeadlineExceeded, true)]
    [TestCase(StatusCode.NotFound, false)]
    [TestCase(StatusCode.AlreadyExists, false)]
    [TestCase(StatusCode.PermissionDenied, false)]
    [TestCase(StatusCode.ResourceExhausted, true)]
    [TestCase(StatusCode.FailedPrecondition, false)]
    [TestCase(StatusCode.Aborted, true)]
    [TestCase(StatusCode.OutOfRange, true)]
    [TestCase(StatusCode.Unimplemented, false)]
    [TestCase(StatusCode.Internal, true)]
    [TestCase(StatusCode.Unavailable, true)]
    [TestCase(StatusCode.DataLoss, false)]
    [TestCase(StatusCode.Unauthenticated, true)]
    public void Some_failures_pass_by_themselves(StatusCode code, bool isTransient) =>
        AgentReasons.IsTransient(new RpcException(new Status(code, ""))).Should().Be(isTransient);

    private static HttpResponseMessage Response(HttpStatusCode status, params (string Name, string Value)[] headers)
    {
        var response = new HttpResponseMessage(status);
        foreach (var (name, value) in headers)
        {
            response.Headers.TryAddWithoutValidation(name, value);
        }

        return response;
    }
}
