using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using FluentAssertions;
using Grpc.Core;
using Grpc.Net.Client;
using NUnit.Framework;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Component.Grpc;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Images;

/// <summary>The agent itself, asked by the operator's client over mutual TLS.</summary>
internal sealed class AgentTests : ImageFixture
{
    private readonly TestAuthority _authority = new();
    private Registry _registry = null!;
    private Containerd _containerd = null!;
    private Process _agent = null!;
    private GrpcChannel _channel = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _registry = await Registry.StartAsync();
        _containerd = await Containerd.StartAsync();
        var ports = FreePorts(3);
        var (certificate, key) = _authority.Issue("agent", AgentTls.AgentName);
        var run = Parts.OfNode();
        _agent = Process.Start(new ProcessStartInfo(
            "dotnet",
            [
                Path.Combine(AppContext.BaseDirectory, "PodCheckpointing.Agent.dll"),
                "--Agent:NodeName=node", $"--Agent:StoreRoot={StoreRoot}",
                $"--Agent:StateRoot={Folder}/state",
                $"--Agent:KubeletCa={_authority.CaFile}", $"--Agent:CriuConfig={Folder}/crun.conf",
                $"--Agent:RuntimeEndpoint={_containerd.Endpoint}",
                $"--Agent:TlsCertificate={certificate}", $"--Agent:TlsKey={key}",
                $"--Agent:TlsClientCa={_authority.CaFile}",
                $"--Agent:Port={ports[0]}", $"--Agent:HealthPort={ports[1]}",
                $"--Agent:MetricsPort={ports[2]}",
                $"--Agent:Images:Ctr={Parts.NodeTree()}/usr/bin/ctr", "--Agent:Images:Retries=1",
                "--Agent:Images:RetryDelay=00:00:00.01",
                .. run.Select((word, i) => $"--Agent:Images:NodeCommand:{i}={word}"),
            ])
        {
            RedirectStandardOutput = true,
        })!;
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _agent.OutputDataReceived += (_, line) =>
        {
            if (line.Data?.Contains("Application started", StringComparison.Ordinal) != false)
            {
                started.TrySetResult();
            }
        };
        _agent.BeginOutputReadLine();
        await started.Task.WaitAsync(TimeSpan.FromSeconds(120));
        var (mine, myKey) = _authority.Issue("operator", AgentTls.OperatorName);
        _channel = GrpcChannel.ForAddress(
            $"https://127.0.0.1:{ports[0]}",
            new GrpcChannelOptions { Tls = AgentTls.ForOperator(_authority.CaFile, mine, myKey) });
    }

    [OneTimeTearDown]
    public void Stop()
    {
        _channel?.Dispose();
        if (_agent is not null)
        {
            _agent.Kill();
            _agent.WaitForExit();
            _agent.Dispose();
        }

        _containerd?.Dispose();
        _registry?.Dispose();
        _authority.Dispose();
    }

    [Test]
    public async Task One_artifact_is_the_same_image_on_the_volume_in_the_nodes_store_and_in_a_registry()
    {
        var layout = await ConvertAsync("localhost/counter:1", "Layout");
        var node = await ConvertAsync("localhost/counter:1", "");
        var pushed = await ConvertAsync($"{_registry.Host}/counter:1", "Registry");

        new[] { layout, node, pushed }.Select(r => r.ImageDigest).Should().AllBe(Image.ManifestDigest);
        new[] { layout, node, pushed }.Select(r => r.ImageId).Should().AllBe(Image.ConfigDigest);
        layout.LayoutPath.Should().Be(Path.Combine(StoreRoot, Pod, Id, "counter", "image"));
        layout.MovedBytes.Should().Be(0, "the layer is the dump itself");
        pushed.ImageReference.Should().Be($"{_registry.Host}/counter:1");
        (await _containerd.CtrAsync("images", "ls", "name==localhost/counter:1"))
            .Should().Contain(Image.ManifestDigest);
        JsonNode.Parse(await Parts
            .RunAsync("skopeo", "inspect", "--tls-verify=false", $"docker://{_registry.Host}/counter:1"))!["Digest"]!
            .GetValue<string>().Should().Be(Image.ManifestDigest);
    }

    [Test]
    public async Task Several_calls_at_once_move_the_layer_once()
    {
        var calls = await Task.WhenAll(
            Enumerable.Range(0, 4).Select(_ => ConvertAsync($"{_registry.Host}/busy:1", "Registry")));

        calls.Select(c => c.ImageDigest).Should().AllBe(Image.ManifestDigest);
        calls.Count(c => c.MovedBytes > 0).Should().Be(1);
    }

    [TestCase(
        "shared://7c9e6679-7425-40de-944b-e07fc1f90ae7/20261121t003412z-7f3a9c", "localhost/a:1", "",
        StatusCode.InvalidArgument, "InvalidArgument")]
    [TestCase("/etc/shadow", "localhost/a:1", "", StatusCode.InvalidArgument, "InvalidArgument")]
    [TestCase(Uri, "a:1", "", StatusCode.InvalidArgument, "InvalidArgument")]
    [TestCase(Uri, "", "", StatusCode.InvalidArgument, "InvalidArgument")]
    [TestCase(Uri, "localhost/a:1", "Nowhere", StatusCode.InvalidArgument, "InvalidArgument")]
    [TestCase(
        "shared://7c9e6679-7425-40de-944b-e07fc1f90ae7/20261121t003412z-000000/counter/dump.tar.zst", "localhost/a:1",
        "Layout", StatusCode.DataLoss, "CheckpointFailed")]
    [TestCase(Uri, "localhost:1/a:1", "Registry", StatusCode.Unavailable, "RegistryUnavailable")]
    public async Task Says_why_not(string artifact, string image, string target, StatusCode code, string reason)
    {
        var request = new ConvertRequest { ArtifactUri = artifact, ImageReference = image, Target = target };
        var converting = () => new CheckpointServiceClient(_channel).ConvertCheckpointToImageAsync(
            request, Wait.Patience, CancellationToken.None);

        var failure = (await converting.Should().ThrowAsync<RpcException>()).Which;

        failure.StatusCode.Should().Be(code, failure.Status.Detail);
        AgentReasons.Of(failure).Should().Be(reason);
    }

    private Task<ConvertResponse> ConvertAsync(string image, string target) =>
        new CheckpointServiceClient(_channel).ConvertCheckpointToImageAsync(
            new ConvertRequest { ArtifactUri = Uri, ImageReference = image, Target = target }, Wait.Patience,
            CancellationToken.None);

    private static int[] FreePorts(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToList();
        listeners.ForEach(l => l.Start());
        var ports = listeners.Select(l => ((IPEndPoint)l.LocalEndpoint).Port).ToArray();
        listeners.ForEach(l => l.Dispose());
        return ports;
    }
}
