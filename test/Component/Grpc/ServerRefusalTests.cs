using System.Net;
using System.Net.Http.Headers;
using FluentAssertions;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using NUnit.Framework;

namespace PodCheckpointing.Component.Grpc;

/// <summary>Requests that no gRPC client sends.</summary>
internal sealed class ServerRefusalTests
{
    private Echo _echo = null!;
    private HttpClient _http = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _echo = await Echo.StartAsync(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1);
        });
        _http = new HttpClient();
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        _http.Dispose();
        await _echo.DisposeAsync();
    }

    [TestCase("", "13", "no request")]
    [TestCase("000000", "13", "within a message's prefix")]
    [TestCase("0000000005AA", "13", "within a message")]
    [TestCase("0000000001FF", "13", "does not parse")]
    [TestCase("0100000000", "12", "compressed")]
    [TestCase("0000400001", "8", "over the limit")]
    [TestCase("00000000000000000000", "13", "more than one request")]
    public async Task Ends_a_call_with_a_bad_body(string body, string status, string message)
    {
        using var response = await PostAsync("/test.Echo/Say", "application/grpc", body);

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        response.Headers.GetValues("grpc-status").Should().Equal(status);
        string.Concat(response.Headers.GetValues("grpc-message")).Should().Contain(message);
    }

    [TestCase("1s")]
    [TestCase("123456789S")]
    [TestCase("-1S")]
    public async Task Ends_a_call_whose_deadline_nobody_understands(string timeout)
    {
        using var response = await PostAsync("/test.Echo/Say", "application/grpc", "0000000000", timeout);

        response.Headers.GetValues("grpc-status").Should().Equal("13");
    }

    [Test]
    public async Task Serves_a_call_with_the_longest_deadline()
    {
        using var response = await PostAsync("/test.Echo/Say", "application/grpc", "0000000000", "99999999H");
        await response.Content.ReadAsByteArrayAsync();

        response.TrailingHeaders.GetValues("grpc-status").Should().Equal("0");
    }

    [TestCase("/test.Echo/Say", "application/json", HttpStatusCode.UnsupportedMediaType)]
    [TestCase("/test.Echo/Say", "application/grpc-web", HttpStatusCode.UnsupportedMediaType)]
    [TestCase("/test.Echo/Say", "application/grpc+json", HttpStatusCode.UnsupportedMediaType)]
    [TestCase("/elsewhere", "application/json", HttpStatusCode.NotFound)]
    public async Task Refuses_what_is_not_gRPC(string path, string contentType, HttpStatusCode status)
    {
        using var response = await PostAsync(path, contentType, "0000000000");

        response.StatusCode.Should().Be(status);
    }

    [Test]
    public async Task Asks_for_HTTP_2()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"http://{_echo.Addresses[1]}/test.Echo/Say")
        {
            Content =
                new ByteArrayContent([]) { Headers = { ContentType = new MediaTypeHeaderValue("application/grpc") } },
        };

        using var response = await _http.SendAsync(request);

        response.StatusCode.Should().Be(HttpStatusCode.UpgradeRequired);
    }

    private async Task<HttpResponseMessage> PostAsync(
        string path, string contentType, string body, string? timeout = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"http://{_echo.Addresses[0]}{path}")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(Convert.FromHexString(body))
            {
                Headers = { ContentType = new MediaTypeHeaderValue(contentType) },
            },
        };
        if (timeout is not null)
        {
            request.Headers.Add("grpc-timeout", timeout);
        }

        return await _http.SendAsync(request);
    }
}
