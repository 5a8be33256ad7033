using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace PodCheckpointing.Runtime.Metrics;

/// <summary>Sends spans away by OTLP, where the variables of OpenTelemetry's specification ask for it.</summary>
public static class Tracing
{
    private static readonly string[] Endpoints = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
    private static readonly string[] Sources = ["PodCheckpointing.*", "Grpc.Net.Client", "Grpc.AspNetCore.Server"];

    /// <summary>Sends spans for as long as the services live; without an endpoint none is made at all.</summary>
    /// <param name="services">What the sender ends with.</param>
    /// <param name="name">service.name, unless OTEL_SERVICE_NAME says another one.</param>
    /// <param name="version">service.version.</param>
    public static void AddTracing(this IServiceCollection services, string name, string version)
    {
        if (Endpoints.All(e => string.IsNullOrEmpty(Environment.GetEnvironmentVariable(e)))
            || string.Equals(
                Environment.GetEnvironmentVariable("OTEL_SDK_DISABLED"), "true", StringComparison.OrdinalIgnoreCase))
        {
            return;
        }

        name = Environment.GetEnvironmentVariable("OTEL_SERVICE_NAME") is { Length: > 0 } own ? own : name;
        var provider = Sdk.CreateTracerProviderBuilder()
            .ConfigureResource(resource => resource.AddService(name, serviceVersion: version))
            .AddSource(Sources)
            .AddOtlpExporter()
            .Build();
        // Services that were handed over as they are would not be disposed of, and the last spans be lost.
        services.AddHostedService(_ => new Flush(provider));
    }

    private sealed class Flush(TracerProvider provider) : Microsoft.Extensions.Hosting.IHostedService, IDisposable
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public void Dispose() => provider.Dispose();
    }
}
