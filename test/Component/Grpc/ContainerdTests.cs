using System.Diagnostics;
using FluentAssertions;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using NUnit.Framework;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Grpc;

/// <summary>Our client calls containerd's CRI, a gRPC server in Go, over its unix socket.</summary>
internal sealed class ContainerdTests
{
    private const string Service = "/runtime.v1.RuntimeService/";
    private readonly string _folder = Directory.CreateTempSubdirectory("pod-checkpointing-containerd").FullName;
    private Process? _containerd;
    private GrpcChannel _channel = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        var cache = Environment.GetEnvironmentVariable("POD_CHECKPOINTING_CACHE") ?? "/var/cache/pod-checkpointing";
        var tree = Directory.Exists(cache)
            ? Directory.GetDirectories(cache, "node-tree-*").FirstOrDefault(t => File.Exists($"{t}/usr/bin/containerd"))
            : null;
        if (tree is null)
        {
            Assert.Fail($"no node tree in {cache}: run test/LocalCluster/install.sh");
        }

        File.WriteAllText($"{_folder}/config.toml", $"""
            version = 3
            root = "{_folder}/root"
            state = "{_folder}/state"
            [grpc]
              address = "{_folder}/containerd.sock"
            [ttrpc]
              address = "{_folder}/containerd.sock.ttrpc"
            """);

        // The tree's program with the tree's libraries; it needs nothing else of the tree to answer.
        _containerd = Process.Start(new ProcessStartInfo(
            $"{tree}/lib64/ld-linux-x86-64.so.2",
            [
                "--library-path",
                $"{tree}/usr/lib/x86_64-linux-gnu",
                $"{tree}/usr/bin/containerd",
                "--config",
                $"{_folder}/config.toml",
            ])
        {
            RedirectStandardError = true,
        })!;
        var booted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _containerd.ErrorDataReceived += (_, line) =>
        {
            if (line.Data?.Contains("successfully booted") != false)
            {
                booted.TrySetResult();
            }
        };
        _containerd.BeginErrorReadLine();
        await booted.Task.WaitAsync(TimeSpan.FromSeconds(120));
        _channel = GrpcChannel.ForAddress($"unix://{_folder}/containerd.sock", new GrpcChannelOptions());
    }

    [OneTimeTearDown]
    public void Stop()
    {
        _channel?.Dispose();
        _containerd?.Kill();
        _containerd?.WaitForExit();
        _containerd?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public async Task Tells_its_version() => (await CallAsync("Version", "")).Should().Be("0.1.0");

    [Test]
    public async Task Knows_no_other_container()
    {
        var failure = await FluentActions.Awaiting(() => CallAsync("ContainerStatus", "none"))
            .Should().ThrowAsync<RpcException>();

        failure.Which.StatusCode.Should().Be(StatusCode.NotFound);
        failure.Which.Status.Detail.Should().Contain("none");
    }

    [Test]
    public async Task Serves_no_unknown_method()
    {
        var failure = await FluentActions.Awaiting(() => CallAsync("Nothing", "")).Should().ThrowAsync<RpcException>();

        failure.Which.Status.Should().Be(
            new Status(StatusCode.Unimplemented, "unknown method Nothing for service runtime.v1.RuntimeService"));
    }

    // These requests and answers begin with a string in field 1, as a StringValue does.
    private async Task<string> CallAsync(string method, string value) =>
        (await _channel.UnaryAsync(
            Service + method,
            new StringValue { Value = value },
            StringValue.Parser,
            Wait.Patience,
            CancellationToken.None)).Value;
}
