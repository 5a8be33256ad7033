using System.Globalization;
using Grpc.Core;
using PodCheckpointing.TestKubelet.Pods;

namespace PodCheckpointing.TestKubelet.Checkpoints;

/// <summary>kubelet's checkpoint endpoint, with the status codes and words that were
/// measured on the real one.</summary>
internal static class CheckpointEndpoint
{
    public static void MapCheckpoint(this WebApplication app, KubeletOptions options)
    {
        app.Use(async (http, next) =>
        {
            var user = http.Connection.ClientCertificate?.GetNameInfo(
                System.Security.Cryptography.X509Certificates.X509NameType.SimpleName, forIssuer: false)
                ?? UserOf(http.Request.Headers.Authorization, options);
            if (user is null)
            {
                await TextAsync(http, 401, "Unauthorized");
            }
            else if (!options.CheckpointUsers.Contains(user))
            {
                await TextAsync(
                    http, 403, $"Forbidden (user={user}, verb=create, resource=nodes, subresource(s)=[checkpoint])");
            }
            else
            {
                await next(http);
            }
        });
        if (options.ContainerCheckpoint)
        {
            app.MapPost("/checkpoint/{ns}/{pod}/{container}", CheckpointAsync);
        }

        app.MapFallback(http => TextAsync(http, 404, "404 page not found\n"));
    }

    private static string? UserOf(string? authorization, KubeletOptions options) => options.Tokens
        .Select(line => line.Split(','))
        .FirstOrDefault(parts => authorization == $"Bearer {parts[0]}")?[1];

    private static async Task CheckpointAsync(
        HttpContext http, string ns, string pod, string container, NodeKubelet kubelet, CriRuntime runtime,
        Microsoft.Extensions.Options.IOptions<KubeletOptions> options)
    {
        if (kubelet.Find(ns, pod) is not { Pod: { } found } worker)
        {
            await TextAsync(http, 404, "pod does not exist");
            return;
        }

        if (found.Spec.Containers.Concat(found.Spec.InitContainers ?? []).All(c => c.Name != container))
        {
            await TextAsync(http, 404, $"container {container} does not exist");
            return;
        }

        var timeout = 0L;
        if (http.Request.Query.TryGetValue("timeout", out var text)
            && !long.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out timeout))
        {
            await TextAsync(http, 404, "cannot parse value of timeout parameter");
            return;
        }

        if (timeout < 0)
        {
            await FailAsync(http, ns, pod, container, "CheckpointContainer requires the timeout value to be > 0");
            return;
        }

        if (await worker.RunningContainerAsync(container, http.RequestAborted) is not { } id)
        {
            await FailAsync(http, ns, pod, container, $"container {container} not found");
            return;
        }

        var directory = options.Value.CheckpointsDirectory;
        var stamp = DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        var file = Path.Combine(directory, $"checkpoint-{pod}_{ns}-{container}-{stamp}.tar");
        try
        {
            // Not the caller's token: the real one also goes on when the caller hangs up.
            await runtime.CheckpointAsync(id, file, timeout);
        }
        catch (RpcException exception)
        {
            await FailAsync(
                http, ns, pod, container, $"rpc error: code = {exception.StatusCode} desc = {exception.Status.Detail}");
            return;
        }

        await http.Response.WriteAsJsonAsync(new { items = new[] { file } });
    }

    private static Task FailAsync(HttpContext http, string ns, string pod, string container, string why) =>
        TextAsync(http, 500, $"checkpointing of {ns}/{pod}/{container} failed ({why})");

    private static Task TextAsync(HttpContext http, int code, string text)
    {
        http.Response.StatusCode = code;
        http.Response.ContentType = "text/plain; charset=utf-8";
        return http.Response.WriteAsync(text);
    }
}
