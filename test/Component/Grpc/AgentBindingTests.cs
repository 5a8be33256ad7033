using System.Net;
using System.Net.Sockets;
using FluentAssertions;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using NUnit.Framework;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Component.Grpc;

/// <summary>The operator's client and the agent's server over mutual TLS, by address.</summary>
internal sealed class AgentBindingTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(100);
    private readonly TestAuthority _authority = new();
    private WebApplication _app = null!;
    private string _address = "";

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        var (certificate, key) = _authority.Issue("agent", AgentTls.AgentName);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(
            IPAddress.Loopback, 0, listen => listen.UseAgentTls(_authority.CaFile, certificate, key)));
        _app = builder.Build();
        new SmallAgent().Map(_app);
        await _app.StartAsync();
        _address = _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses
            .Single();
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        await _app.DisposeAsync();
        _authority.Dispose();
    }

    [Test]
    public async Task The_operator_reaches_an_agent_by_its_address()
    {
        using var channel = ChannelOf("operator", AgentTls.OperatorName, _authority);

        var response = await new CheckpointServiceClient(channel)
            .FenceAsync(new FenceRequest { PodUid = "u1" }, Deadline, CancellationToken.None);

        response.Clock.ReceivedUnixNanos.Should().Be(17);
    }

    [Test]
    public async Task An_agent_answers_for_its_own_node_only()
    {
        using var channel = ChannelOf("operator", AgentTls.OperatorName, _authority);

        await new CheckpointServiceClient(channel, "node-s").FenceAsync(
            new FenceRequest { PodUid = "u1" }, Deadline, CancellationToken.None);
        var failure = await FailureOfAsync(() =>
            new CheckpointServiceClient(channel, "node-b").FenceAsync(
                new FenceRequest { PodUid = "u1" }, Deadline, CancellationToken.None));

        failure.Status.Should().Be(new Status(
            StatusCode.Unavailable, "the call is for the agent of node node-b, and this is the one of node node-s"));
        failure.Trailers.GetValue(AgentReasons.ReasonTrailer).Should().Be(Reasons.AgentUnavailable);
    }

    [Test]
    public async Task An_agent_that_fails_has_answered()
    {
        using var channel = ChannelOf("operator", AgentTls.OperatorName, _authority);
        var agent = new CheckpointAgent("node-s", new CheckpointServiceClient(channel, "node-s"), TimeProvider.System);

        var failure = await FluentActions.Awaiting(
            () => agent.FenceAsync(new FenceRequest { PodUid = SmallAgent.Unforeseen }, CancellationToken.None))
            .Should().ThrowAsync<AgentException>();

        failure.Which.Should().Match<AgentException>(f => f.Reason == Reasons.AgentFailed && !f.IsTerminal
            && f.Message == "the agent of node node-s failed: Internal: IOException; see the server's log");
    }

    [Test]
    public async Task Progress_streams()
    {
        using var channel = ChannelOf("operator", AgentTls.OperatorName, _authority);
        var phases = new List<string>();

        await foreach (var progress in new CheckpointServiceClient(channel)
            .WatchCheckpointAsync(new WatchCheckpointRequest(), CancellationToken.None))
        {
            phases.Add(progress.Phase);
        }

        phases.Should().Equal(CheckpointPhases.Dumping, CheckpointPhases.Done);
    }

    [Test]
    public async Task What_an_agent_does_not_override_is_unimplemented()
    {
        using var channel = ChannelOf("operator", AgentTls.OperatorName, _authority);
        var client = new CheckpointServiceClient(channel);
        var token = CancellationToken.None;
        Dictionary<string, Func<Task>> calls = new()
        {
            ["Checkpoint"] = () => client.CheckpointAsync(new CheckpointRequest(), Deadline, token),
            ["ConvertCheckpointToImage"] =
                () => client.ConvertCheckpointToImageAsync(new ConvertRequest(), Deadline, token),
            ["GetCapabilities"] = () => client.GetCapabilitiesAsync(new GetCapabilitiesRequest(), Deadline, token),
            ["Unfence"] = () => client.UnfenceAsync(new UnfenceRequest(), Deadline, token),
            ["EndProcesses"] = () => client.EndProcessesAsync(new EndProcessesRequest(), Deadline, token),
            ["PrepareRestore"] = () => client.PrepareRestoreAsync(new PrepareRestoreRequest(), Deadline, token),
            ["StageAhead"] = () => client.StageAheadAsync(new StageAheadRequest(), Deadline, token),
            ["GetRestore"] = () => client.GetRestoreAsync(new GetRestoreRequest(), Deadline, token),
            ["HoldAddresses"] = () => client.HoldAddressesAsync(new HoldAddressesRequest(), Deadline, token),
            ["ReleaseRestore"] = () => client.ReleaseRestoreAsync(new ReleaseRestoreRequest(), Deadline, token),
            ["CancelRestore"] = () => client.CancelRestoreAsync(new CancelRestoreRequest(), Deadline, token),
            ["Seal"] = () => client.SealAsync(new SealRequest(), Deadline, token),
            ["DeleteCheckpoint"] = () => client.DeleteCheckpointAsync(new DeleteCheckpointRequest(), Deadline, token),
            ["VerifyCheckpoint"] = () => client.VerifyCheckpointAsync(new VerifyCheckpointRequest(), Deadline, token),
            ["ListCheckpoints"] =
                async () => await client.ListCheckpointsAsync(new ListCheckpointsRequest(), Deadline, token)
                    .ToListAsync(token),
        };

        foreach (var (method, call) in calls)
        {
            // A path that is not mapped has the same status, and other words.
            (await FailureOfAsync(call)).Status.Should().Match<Status>(
                s => s.StatusCode == StatusCode.Unimplemented
                    && s.Detail == $"this agent does not serve /podcheckpointing.v1.CheckpointService/{method}");
        }
    }

    [Test]
    public async Task A_namesake_from_another_authority_is_no_operator()
    {
        using var other = new TestAuthority();
        var (certificate, key) = other.Issue("operator", AgentTls.OperatorName);
        using var channel = GrpcChannel.ForAddress(_address, new GrpcChannelOptions
        {
            Tls = AgentTls.ForOperator(_authority.CaFile, certificate, key),
        });

        (await FailureOfAsync(() => FenceAsync(channel))).StatusCode.Should().Be(StatusCode.Unavailable);
    }

    [Test]
    public async Task A_server_from_another_authority_is_no_agent()
    {
        using var other = new TestAuthority();
        using var channel = ChannelOf("operator", AgentTls.OperatorName, other);

        (await FailureOfAsync(() => FenceAsync(channel))).StatusCode.Should().Be(StatusCode.Unavailable);
    }

    [Test]
    public async Task Renewed_certificates_count_from_the_next_connection_on()
    {
        var (certificate, key) = _authority.Issue("late", "not-yet-the-operator");
        using var channel = GrpcChannel.ForAddress(_address, new GrpcChannelOptions
        {
            Tls = AgentTls.ForOperator(_authority.CaFile, certificate, key),
        });
        (await FailureOfAsync(() => FenceAsync(channel))).StatusCode.Should().Be(StatusCode.Unavailable);

        _authority.Issue("late", AgentTls.OperatorName);

        await FenceAsync(channel);
    }

    [Test]
    public async Task Half_renewed_files_leave_the_last_good_pair_in_use()
    {
        var (certificate, key) = _authority.Issue("half", AgentTls.OperatorName);
        var tls = AgentTls.ForOperator(_authority.CaFile, certificate, key);
        using (var before = GrpcChannel.ForAddress(_address, new GrpcChannelOptions { Tls = tls }))
        {
            await FenceAsync(before);
        }

        File.WriteAllText(key, "-----BEGIN PRIVATE KEY-----\n");

        using var channel = GrpcChannel.ForAddress(_address, new GrpcChannelOptions { Tls = tls });
        await FenceAsync(channel);
    }

    [Test]
    public async Task Nobody_at_the_address_is_unavailable()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        using var channel = GrpcChannel.ForAddress($"http://127.0.0.1:{port}", new GrpcChannelOptions());

        (await FailureOfAsync(() => FenceAsync(channel))).StatusCode.Should().Be(StatusCode.Unavailable);
    }

    [Test]
    public async Task Nobody_at_the_socket_is_unavailable()
    {
        using var channel = GrpcChannel.ForAddress(
            "unix://" + Path.Combine(_authority.Folder, "none.sock"), new GrpcChannelOptions());

        (await FailureOfAsync(() => FenceAsync(channel))).StatusCode.Should().Be(StatusCode.Unavailable);
    }

    [Test]
    public async Task A_server_that_says_nothing_is_unavailable_before_the_deadline()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var (certificate, key) = _authority.Issue("operator", AgentTls.OperatorName);
        using var channel = GrpcChannel.ForAddress($"https://{listener.LocalEndpoint}", new GrpcChannelOptions
        {
            ConnectTimeout = TimeSpan.FromMilliseconds(300),
            Tls = AgentTls.ForOperator(_authority.CaFile, certificate, key),
        });

        (await FailureOfAsync(() => FenceAsync(channel))).StatusCode.Should().Be(StatusCode.Unavailable);
    }

    [Test]
    public async Task A_connection_that_breaks_within_a_call_is_unavailable()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var channel = GrpcChannel.ForAddress($"http://{listener.LocalEndpoint}", new GrpcChannelOptions());

        var call = FenceAsync(channel);
        using (var connection = await listener.AcceptTcpClientAsync())
        {
            await connection.GetStream().ReadExactlyAsync(new byte[24]);
        }

        (await FailureOfAsync(() => call)).StatusCode.Should().Be(StatusCode.Unavailable);
    }

    private static Task<FenceResponse> FenceAsync(GrpcChannel channel) =>
        new CheckpointServiceClient(channel).FenceAsync(new FenceRequest(), Deadline, CancellationToken.None);

    private static async Task<RpcException> FailureOfAsync(Func<Task> call) =>
        (await call.Should().ThrowAsync<RpcException>()).Which;

    private GrpcChannel ChannelOf(string name, string dnsName, TestAuthority trusted)
    {
        var (certificate, key) = _authority.Issue(name, dnsName);
        return GrpcChannel.ForAddress(
            _address, new GrpcChannelOptions { Tls = AgentTls.ForOperator(trusted.CaFile, certificate, key) });
    }

    private sealed class SmallAgent : CheckpointServiceBase
    {
        public const string Unforeseen = "u-unforeseen";

        protected override string NodeName => "node-s";

        public override Task<FenceResponse> FenceAsync(FenceRequest request, ServerCallContext context) =>
            request.PodUid == Unforeseen
                ? throw new IOException("what nobody foresaw")
                : Task.FromResult(new FenceResponse { Clock = new ClockSample { ReceivedUnixNanos = 17 } });

        public override async IAsyncEnumerable<CheckpointProgress> WatchCheckpointAsync(
            WatchCheckpointRequest request, ServerCallContext context)
        {
            yield return new CheckpointProgress { Phase = CheckpointPhases.Dumping };
            await Task.Yield();
            yield return new CheckpointProgress { Phase = CheckpointPhases.Done };
        }
    }
}
