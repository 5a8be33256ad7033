using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace PodCheckpointing.Component.Images;

/// <summary>What the liar is told of one answer: it may change all of it.</summary>
internal sealed class Answer(string method, string path)
{
    public string Method { get; } = method;

    public string Path { get; } = path;

    public int Status { get; set; }

    public Dictionary<string, string> Headers { get; } = new(StringComparer.OrdinalIgnoreCase);

    public byte[] Body { get; set; } = [];
}

/// <summary>A registry that is a real one behind somebody who changes what goes up and what comes down.</summary>
internal sealed class Liar : IAsyncDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false });
    private readonly WebApplication _app;

    private Liar(WebApplication app, string target, Action<Answer> down, Func<string, byte[], byte[]> up)
    {
        _app = app;
        _app.Run(context => ForwardAsync(context, target, down, up));
    }

    public string Host { get; private set; } = "";

    public static async Task<Liar> StartAsync(
        string target, Action<Answer>? down = null, Func<string, byte[], byte[]>? up = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var liar = new Liar(builder.Build(), target, down ?? (_ => { }), up ?? ((_, bytes) => bytes));
        await liar._app.StartAsync();
        liar.Host = new Uri(liar._app.Services.GetRequiredService<IServer>().Features
            .Get<IServerAddressesFeature>()!.Addresses.Single()).Authority;
        return liar;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _http.Dispose();
    }

    private async Task ForwardAsync(
        HttpContext context, string target, Action<Answer> down, Func<string, byte[], byte[]> up)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        using var request = new HttpRequestMessage(
            new HttpMethod(context.Request.Method),
            $"http://{target}{context.Request.Path}{context.Request.QueryString}")
        {
            Content = body.Length > 0 || context.Request.ContentLength is not null
                ? new ByteArrayContent(up(context.Request.Method, body.ToArray()))
                : null,
        };
        // The registry's addresses must lead here again.
        request.Headers.Host = Host;
        foreach (var name in new[] { "Accept", "Authorization" }.Where(context.Request.Headers.ContainsKey))
        {
            request.Headers.TryAddWithoutValidation(name, context.Request.Headers[name].ToString());
        }

        foreach (var name in new[] { "Content-Type", "Content-Range" }.Where(context.Request.Headers.ContainsKey))
        {
            request.Content?.Headers.TryAddWithoutValidation(name, context.Request.Headers[name].ToString());
        }

        using var response = await _http.SendAsync(request);
        var answer = new Answer(context.Request.Method, context.Request.Path)
        {
            Status = (int)response.StatusCode,
            Body = await response.Content.ReadAsByteArrayAsync(),
        };
        foreach (var (name, values) in response.Headers.Concat(response.Content.Headers)
            .Where(h => h.Key != "Transfer-Encoding"))
        {
            answer.Headers[name] = string.Join(", ", values);
        }

        down(answer);
        context.Response.StatusCode = answer.Status;
        foreach (var (name, value) in answer.Headers)
        {
            context.Response.Headers[name] = value;
        }

        if (context.Request.Method != "HEAD")
        {
            context.Response.Headers.ContentLength = answer.Status is 204 ? null : answer.Body.Length;
            await context.Response.Body.WriteAsync(answer.Body);
        }
    }
}
