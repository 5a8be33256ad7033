using System.Diagnostics;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Grpc;

/// <summary>Spans of calls; a caller's trace travels in the metadata, as W3C's traceparent says.</summary>
internal static class GrpcTraces
{
    private static readonly ActivitySource Client = new("Grpc.Net.Client");
    private static readonly ActivitySource Server = new("Grpc.AspNetCore.Server");

    /// <summary>A span for a call that we make as a part of something; a call by itself has none.</summary>
    public static Activity? StartClient(string fullName) => Activity.Current is null
        ? null
        : Start(Client, fullName, ActivityKind.Client, default);

    /// <summary>A span for a call that we serve, below the caller's.</summary>
    public static Activity? StartServer(HttpContext http, string fullName)
    {
        if (!Server.HasListeners())
        {
            return null;
        }

        // The web server's own span of the request is told to nobody: the caller's is taken instead.
        ActivityContext.TryParse(
            http.Request.Headers.TraceParent, http.Request.Headers.TraceState, isRemote: true, out var caller);
        if (caller == default)
        {
            Activity.Current = null;
        }

        return Start(Server, fullName, ActivityKind.Server, caller);
    }

    /// <summary>Sends the trace along.</summary>
    public static void Inject(HttpRequestMessage message)
    {
        if (Activity.Current is { IdFormat: ActivityIdFormat.W3C, Id: { } id } current)
        {
            message.Headers.TryAddWithoutValidation("traceparent", id);
            if (!string.IsNullOrEmpty(current.TraceStateString))
            {
                message.Headers.TryAddWithoutValidation("tracestate", current.TraceStateString);
            }
        }
    }

    /// <summary>Notes how a call ended.</summary>
    public static void End(Activity? activity, Status status)
    {
        activity?.SetTag("rpc.grpc.status_code", (int)status.StatusCode);
        if (status.StatusCode != StatusCode.OK)
        {
            activity?.SetStatus(ActivityStatusCode.Error, status.Detail);
        }
    }

    /// <summary>Notes how the call ended that is being served.</summary>
    public static void EndServer(Status status) =>
        End(Activity.Current?.Source.Name == Server.Name ? Activity.Current : null, status);

    private static Activity? Start(ActivitySource source, string fullName, ActivityKind kind, ActivityContext parent)
    {
        var name = fullName[1..];
        var activity = source.StartActivity(name, kind, parent);
        var slash = name.LastIndexOf('/');
        activity?.SetTag("rpc.system", "grpc").SetTag("rpc.service", name[..slash]).SetTag(
            "rpc.method", name[(slash + 1)..]);
        return activity;
    }
}
