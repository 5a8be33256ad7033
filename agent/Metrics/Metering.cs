using System.Diagnostics;
using System.Globalization;
using System.Net;
using Grpc.Core;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Fences;
using PodCheckpointing.Runtime.Metrics;

namespace PodCheckpointing.Agent.Metrics;

/// <summary>Puts the agent's metrics together.</summary>
internal static class Metering
{
    private static readonly string[] OpenPaths = [MetricsEndpoint.Path, "/healthz", "/readyz"];

    /// <summary>Everything that the agent tells.</summary>
    public static readonly MetricSet[] Sets =
    [
        AgentMetrics.Set,
        CertificateMetrics.Set,
        ProcessMetrics.Set,
        RuntimeMetrics.ScrapeSet,
    ];

    private static string Version => typeof(Metering).Assembly.GetName().Version!.ToString(3);

    /// <summary>Counts from now on.</summary>
    public static void AddMetering(this IServiceCollection services)
    {
        services.AddSingleton(new MetricsExporter(Sets));
        services.AddHostedService<StoreProbe>();
        services.AddTracing("checkpoint-agent", Version);
    }

    /// <summary>Plain HTTP for Prometheus; HTTP/1.1 only, which no gRPC call speaks.</summary>
    public static void ListenForMetrics(this KestrelServerOptions kestrel, AgentOptions options)
    {
        if (options.MetricsPort > 0)
        {
            kestrel.ListenAt(
                options.ListenAddress, options.MetricsPort, listen => listen.Protocols = HttpProtocols.Http1);
        }
    }

    /// <summary>Listens on a port of one address; where none is named, of every one.</summary>
    public static void ListenAt(
        this KestrelServerOptions kestrel, string? address, int port, Action<ListenOptions> configure)
    {
        if (string.IsNullOrEmpty(address))
        {
            kestrel.ListenAnyIP(port, configure);
        }
        else
        {
            kestrel.Listen(IPAddress.Parse(address), port, configure);
        }
    }

    /// <summary>Counts calls and serves /metrics; before anything else is mapped.</summary>
    public static void UseMetering(this WebApplication app)
    {
        var options = app.Services.GetRequiredService<IOptions<AgentOptions>>().Value;
        var fences = app.Services.GetRequiredService<FenceBook>();
        AgentMetrics.Fences.From(() => fences.All().Count);
        AgentMetrics.OldestFence.From(() => fences.OldestAge().TotalSeconds);
        AgentMetrics.StagingBytes.From(
            () => Directory.Exists(options.RestoresFolder) ? BytesBelow(options.RestoresFolder) : 0);
        AgentMetrics.Build.From(() =>
            [AgentMetrics.Build.Value(1, "agent", Version)]);
        CertificateMetrics.Observe("agent", options.TlsCertificate, options.TlsClientCa);
        app.Use(async (context, next) =>
        {
            // Whoever reaches this port shows no certificate: nothing else is served there, whatever the client speaks.
            if (context.Connection.LocalPort == options.MetricsPort && !OpenPaths.Contains(context.Request.Path.Value))
            {
                context.Response.StatusCode = (int)HttpStatusCode.NotFound;
                return;
            }

            if (context.Request.ContentType?.StartsWith("application/grpc", StringComparison.Ordinal) == true)
            {
                await MeasureAsync(context, next);
                return;
            }

            await next(context);
        });
        app.MapMetrics(app.Services.GetRequiredService<MetricsExporter>());
    }

    /// <summary>The sizes of all files below a folder. Users have made what is in it: a link of theirs may lead to the
    /// whole node, or round in circles.</summary>
    internal static long BytesBelow(string folder) => new DirectoryInfo(folder)
        .EnumerateFiles(
            "*",
            new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint })
        .Sum(file => file.Length);

    private static async Task MeasureAsync(HttpContext context, RequestDelegate next)
    {
        var began = Stopwatch.GetTimestamp();
        await next(context);
        // A path that is not served is anything that the caller likes: it must not become a label.
        var method = context.GetEndpoint() is RouteEndpoint { RoutePattern.Parameters.Count: 0 }
            ? context.Request.Path.Value!.Split('/')[^1]
            : MetricLabel.Other;
        AgentMetrics.Calls.Count(method, CodeOf(context));
        AgentMetrics.CallDuration.Record(Stopwatch.GetElapsedTime(began).TotalSeconds, method);
    }

    private static string CodeOf(HttpContext context)
    {
        var text = context.Features.Get<IHttpResponseTrailersFeature>()?.Trailers["grpc-status"].ToString()
            is { Length: > 0 } trailer
            ? trailer
            : context.Response.Headers["grpc-status"].ToString();
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var code)
            && Enum.IsDefined((StatusCode)code)
            ? ((StatusCode)code).ToString()
            : nameof(StatusCode.Unknown);
    }
}
