using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using FluentAssertions;
using Grpc.Core;
using Grpc.Net.Client;
using NUnit.Framework;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Component.Grpc;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Metrics;

/// <summary>The agent's program: what it tells on the port that anybody may reach, and
/// what it does not do there.</summary>
internal sealed class AgentPortTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(100);
    private readonly TestAuthority _authority = new();
    private readonly HttpClient _http = new();
    private readonly string _state = Directory.CreateTempSubdirectory("pod-checkpointing-agent").FullName;
    private readonly int[] _ports = FreePorts(3);
    private Process _agent = null!;

    private string Metrics => $"http://127.0.0.1:{_ports[2]}";

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        var (certificate, key) = _authority.Issue("agent", AgentTls.AgentName);
        var store = Directory.CreateDirectory(Path.Combine(_state, "store")).FullName;
        Directory.CreateDirectory(Path.Combine(_state, "fences"));
        _agent = Process.Start(new ProcessStartInfo(
            "dotnet",
            [
                typeof(PodCheckpointing.Agent.Metrics.Metering).Assembly.Location,
                "--Agent:NodeName=node-a", $"--Agent:StoreRoot={store}", $"--Agent:StateRoot={_state}",
                "--Agent:KubeletUrl=https://127.0.0.1:9", $"--Agent:KubeletCa={_authority.CaFile}",
                $"--Agent:KubeletClientCertificate={certificate}", $"--Agent:KubeletClientKey={key}",
                $"--Agent:TlsCertificate={certificate}",
                $"--Agent:TlsKey={key}", $"--Agent:TlsClientCa={_authority.CaFile}",
                $"--Agent:RuntimeEndpoint=unix://{_state}/no.sock", $"--Agent:CriuConfig={_state}/crun.conf",
                "--Agent:ListenAddress=127.0.0.1",
                $"--Agent:Port={_ports[0]}", $"--Agent:HealthPort={_ports[1]}", $"--Agent:MetricsPort={_ports[2]}",
            ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        _agent.OutputDataReceived += (_, _) => { };
        _agent.ErrorDataReceived += (_, _) => { };
        _agent.BeginOutputReadLine();
        _agent.BeginErrorReadLine();
        var since = Stopwatch.StartNew();
        while (!await AnswersAsync())
        {
            since.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(180), "the agent starts");
            _agent.HasExited.Should().BeFalse("the agent lives");
            await Task.Delay(50);
        }
    }

    [OneTimeTearDown]
    public void Stop()
    {
        _agent.Kill();
        _agent.WaitForExit();
        _agent.Dispose();
        _http.Dispose();
        _authority.Dispose();
        Directory.Delete(_state, recursive: true);
    }

    [Test]
    public async Task It_tells_what_it_does_and_what_it_holds()
    {
        using var channel = Channel();
        var client = new CheckpointServiceClient(channel);
        await client.FenceAsync(new FenceRequest { PodUid = "u-1", Holder = "m-1" }, Deadline, default);
        await client.Invoking(c => c.FenceAsync(new FenceRequest { PodUid = "u-1", Holder = "m-2" }, Deadline, default))
            .Should().ThrowAsync<RpcException>();
        await client.Invoking(c => c.CheckpointAsync(
            new CheckpointRequest
            {
                PodUid = "u-1",
                PodName = "p",
                PodNamespace = "n",
                ContainerName = "c",
                CheckpointId = "20261121t003412z-7f3a9c",
            },
            Deadline,
            default)).Should().ThrowAsync<RpcException>("no runtime answers");
        var response = await _http.GetAsync($"{Metrics}/metrics");
        response.Content.Headers.ContentType!.ToString().Should().Be("text/plain; version=0.0.4; charset=utf-8");
        var text = await response.Content.ReadAsStringAsync();

        (await PrometheusTools.PromtoolAsync(["check", "metrics"], text)).Should().Be((0, ""));
        var families = (await PrometheusTools.ParseAsync(text)).ToDictionary(f => f.Name);
        Value(families["checkpoint_agent_fences"]).Should().Be(1);
        Value(families["checkpoint_agent_oldest_fence_age_seconds"]).Should().BeInRange(1e-6, 60);
        Value(families["checkpoint_agent_store_free_bytes"]).Should().BeGreaterThan(1e6);
        Value(families["container_checkpoint_operations"], ("result", "failure")).Should().Be(1);
        Value(families["container_checkpoint_operations"], ("result", "success")).Should().Be(0);
        Value(families["container_checkpoint_failures"], ("reason", Reasons.AgentUnavailable)).Should().Be(1);
        Value(families["container_checkpoints_in_progress"]).Should().Be(0);
        Value(families["grpc_server_handled"], ("grpc_method", "Fence"), ("grpc_code", "OK")).Should().Be(1);
        Value(families["grpc_server_handled"], ("grpc_method", "Fence"), ("grpc_code", "AlreadyExists")).Should().Be(1);
        Value(families["process_resident_memory_bytes"]).Should().BeInRange(1e7, 1e9);
        Value(families["process_start_time_seconds"]).Should().BeApproximately(
            (_agent.StartTime.ToUniversalTime() - DateTime.UnixEpoch).TotalSeconds, 2);
        Value(families["process_open_fds"]).Should().BeInRange(10, Value(families["process_max_fds"]));
        Value(families["pod_checkpointing_build_info"], ("component", "agent")).Should().Be(1);
        Value(
            families["pod_checkpointing_certificate_expiry_timestamp_seconds"], ("component", "agent"),
            ("certificate", "own"))
            .Should()
            .BeInRange(DateTimeOffset.UtcNow.AddHours(11)
                .ToUnixTimeSeconds(), DateTimeOffset.UtcNow.AddHours(13).ToUnixTimeSeconds());
        text.Should().NotContain("u-1").And.NotContain("m-1", "no name of an object is told");
    }

    [TestCase("/healthz", HttpStatusCode.OK)]
    [TestCase("/", HttpStatusCode.NotFound)]
    [TestCase("/podcheckpointing.v1.CheckpointService/Fence", HttpStatusCode.NotFound)]
    [TestCase("/metrics/../podcheckpointing.v1.CheckpointService/Fence", HttpStatusCode.NotFound)]
    public async Task Only_what_is_open_is_served_on_the_open_port(string path, HttpStatusCode expected)
    {
        // As it stands there: a Uri would take the dots out.
        using var line = new TcpClient();
        await line.ConnectAsync(IPAddress.Loopback, _ports[2]);
        await using var stream = line.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n"));
        using var answer = new StreamReader(stream, Encoding.ASCII);

        (await answer.ReadLineAsync()).Should().StartWith($"HTTP/1.1 {(int)expected} ");
    }

    [Test]
    public async Task No_port_is_open_on_another_address_of_the_node()
    {
        foreach (var port in _ports)
        {
            using var client = new TcpClient();
            var call = () => client.ConnectAsync(IPAddress.Parse("127.0.0.2"), port);

            (await call.Should().ThrowAsync<SocketException>()).Which.SocketErrorCode
                .Should().Be(SocketError.ConnectionRefused);
        }
    }

    [Test]
    public async Task Readiness_says_what_is_missing_and_a_kubelet_that_cannot_checkpoint_is_no_reason_to_hold_an_update_up()
    {
        // The volume has answered a moment after the start.
        var (code, said) = await Wait.UntilAsync(
            async () =>
            {
                using var answer = await _http.GetAsync($"http://127.0.0.1:{_ports[1]}/readyz");
                return (Code: answer.StatusCode, Said: await answer.Content.ReadAsStringAsync());
            },
            seen => seen is not { Code: HttpStatusCode.ServiceUnavailable, Said: "the volume has not answered yet" });

        code.Should().Be(HttpStatusCode.OK);
        said.Should().StartWith("ok, but no pod of this node can be dumped: ").And.Contain("kubelet");
        (await _http.GetStringAsync($"http://127.0.0.1:{_ports[1]}/healthz")).Should().Be("ok");
    }

    [Test]
    public async Task No_call_of_the_operator_is_served_on_the_open_port()
    {
        using var channel = GrpcChannel.ForAddress(Metrics, new GrpcChannelOptions());
        var call = () => new CheckpointServiceClient(channel)
            .FenceAsync(new FenceRequest { PodUid = "u-9", Holder = "stranger" }, Deadline, default);

        await call.Should().ThrowAsync<RpcException>();

        using var request = new HttpRequestMessage(HttpMethod.Post, Metrics + CheckpointMethods.Fence.FullName)
        {
            Content = new ByteArrayContent([0, 0, 0, 0, 0]),
        };
        request.Content.Headers.ContentType = new("application/grpc");
        (await _http.SendAsync(request)).StatusCode.Should().Be(HttpStatusCode.NotFound);
        File.Exists(Path.Combine(_state, "fences", "u-9")).Should().BeFalse();
    }

    [Test]
    public async Task A_path_that_is_not_served_is_no_label()
    {
        using var channel = Channel();
        var call = () => channel.UnaryAsync(
            "/made.Up/NeverServed", new FenceRequest(), FenceResponse.Parser, Deadline, default);
        await call.Should().ThrowAsync<RpcException>();

        (await _http.GetStringAsync($"{Metrics}/metrics")).Should().NotContain("NeverServed").And.NotContain("made.Up");
    }

    private GrpcChannel Channel()
    {
        var (certificate, key) = _authority.Issue("operator", AgentTls.OperatorName);
        return GrpcChannel.ForAddress(
            $"https://127.0.0.1:{_ports[0]}",
            new GrpcChannelOptions { Tls = AgentTls.ForOperator(_authority.CaFile, certificate, key) });
    }

    private async Task<bool> AnswersAsync()
    {
        try
        {
            // Also with its first look at the volume behind it.
            return (await _http.GetStringAsync($"{Metrics}/metrics")).Contains(
                "\ncheckpoint_agent_store_free_bytes ", StringComparison.Ordinal);
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static double Value(Family family, params (string Name, string Value)[] labels) => double.Parse(
        family.Samples.Single(s => labels.All(l => s.Labels.GetValueOrDefault(l.Name) == l.Value)).Value,
        System.Globalization.CultureInfo.InvariantCulture);

    private static int[] FreePorts(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToList();
        listeners.ForEach(l => l.Start());
        var ports = listeners.Select(l => ((IPEndPoint)l.LocalEndpoint).Port).ToArray();
        listeners.ForEach(l => l.Stop());
        return ports;
    }
}
