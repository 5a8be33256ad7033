using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace PodCheckpointing.Runtime.Metrics;

/// <summary>/metrics.</summary>
public static class MetricsEndpoint
{
    /// <summary>Where it is.</summary>
    public const string Path = "/metrics";

    /// <summary>Serves the values of an exporter.</summary>
    public static void MapMetrics(this IEndpointRouteBuilder endpoints, MetricsExporter exporter) =>
        endpoints.MapGet(Path, async context =>
        {
            context.Response.ContentType = TextExposition.ContentType;
            await context.Response.WriteAsync(exporter.Write(), Encoding.UTF8, context.RequestAborted)
                .ConfigureAwait(false);
        });
}
