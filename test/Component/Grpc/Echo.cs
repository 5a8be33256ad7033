using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf.WellKnownTypes;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace PodCheckpointing.Component.Grpc;

/// <summary>Our server of the same methods that peer.py serves.</summary>
internal sealed class Echo : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _cancelled = new();

    private Echo(WebApplication app) => _app = app;

    /// <summary>Host and port of each listener.</summary>
    public string[] Addresses => [.. _app.Services.GetRequiredService<IServer>()
        .Features.Get<IServerAddressesFeature>()!.Addresses.Select(address => new Uri(address).Authority)];

    /// <summary>Ends when a method's handler saw that its caller had gone.</summary>
    public Task CancelledAsync(string method) =>
        Source("/test.Echo/" + method).Task.WaitAsync(TimeSpan.FromSeconds(120));

    public static async Task<Echo> StartAsync(Action<KestrelServerOptions> listen)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(listen);
        var result = new Echo(builder.Build());
        result.Map();
        await result._app.StartAsync();
        return result;
    }

    public static Method<StringValue, StringValue> Unary(string name) =>
        new(
            MethodType.Unary, "test.Echo", name, Marshallers.For(StringValue.Parser),
            Marshallers.For(StringValue.Parser));

    public static Method<StringValue, StringValue> Streaming(string name) =>
        Unary(name) with { Type = MethodType.ServerStreaming };

    public async ValueTask DisposeAsync()
    {
        // Do not wait for calls that hang on purpose.
        await _app.StopAsync(new CancellationToken(canceled: true));
        await _app.DisposeAsync();
    }

    private static StringValue Text(string? value) => new() { Value = value ?? "" };

    private void Map()
    {
        _app.MapGrpcMethod(Unary("Say"), (request, _) => Task.FromResult(request));
        _app.MapGrpcMethod(Unary("Headers"), (request, context) =>
        {
            context.ResponseTrailers.Add("x-trailer", "behind");
            return Task.FromResult(Text(context.RequestHeaders.GetValue(request.Value) ?? "absent"));
        });
        _app.MapGrpcMethod(Unary("Fail"), Task<StringValue> (request, _) =>
        {
            var parts = request.Value.Split('|');
            throw new RpcException(
                new Status(System.Enum.Parse<StatusCode>(parts[0]), parts[1]),
                new Metadata { { "podcheckpointing-reason", "BecauseOfUs" } });
        });
        _app.MapGrpcMethod(Unary("Hang"), async (request, context) =>
        {
            await HangAsync(context);
            return request;
        });
        _app.MapGrpcMethod(Unary("Remaining"), (_, context) => Task.FromResult(Text(
            context.Deadline == DateTime.MaxValue ? "none" : $"{(context.Deadline - DateTime.UtcNow).TotalSeconds}")));
        _app.MapGrpcMethod(Unary("Large"), (request, _) =>
            Task.FromResult(Text(new string('x', int.Parse(request.Value, null)))));
        _app.MapGrpcMethod(Unary("Crash"), Task<StringValue> (_, _) => throw new InvalidOperationException("secret"));
        _app.MapGrpcMethod(Unary("GiveUp"), Task<StringValue> (_, _) => throw new OperationCanceledException("own"));
        _app.MapGrpcMethod(Unary("Peer"), (_, context) =>
            Task.FromResult(Text(context.PeerCertificate?.GetNameInfo(X509NameType.DnsName, forIssuer: false))));
        _app.MapGrpcMethod(Streaming("Count"), (request, context) => CountAsync(request, default));
        _app.MapGrpcMethod(Streaming("CountAndFail"), (request, context) => CountAndAsync(request, () =>
            throw new RpcException(new Status(StatusCode.DataLoss, "größer als 100 % – 検査"))));
        _app.MapGrpcMethod(
            Streaming("CountAndHang"), (request, context) => CountAndAsync(request, () => HangAsync(context)));
        _app.MapUnimplemented();
    }

    private async Task HangAsync(ServerCallContext context)
    {
        try
        {
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        }
        finally
        {
            Source(context.Method).TrySetResult();
        }
    }

    private TaskCompletionSource Source(string method) =>
        _cancelled.GetOrAdd(method, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));

    private static async IAsyncEnumerable<StringValue> CountAsync(
        StringValue request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var number = 0; number < int.Parse(request.Value, null); number++)
        {
            await Task.Yield();
            cancellationToken.ThrowIfCancellationRequested();
            yield return Text($"{number}");
        }
    }

    private static async IAsyncEnumerable<StringValue> CountAndAsync(StringValue request, Func<Task> last)
    {
        await foreach (var value in CountAsync(request, CancellationToken.None))
        {
            yield return value;
        }

        await last();
    }
}
