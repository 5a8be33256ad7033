using System.Net;
using System.Net.Sockets;
using FluentAssertions;
using Grpc.Core;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Kubelet;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Unit.Agent;

/// <summary>What an answer of kubelet's tells about the dump.</summary>
internal sealed class KubeletAnswersTests
{
    private const string Failed = "checkpointing of default/web/app failed (rpc error: code = ";

    [TestCase(500, Failed
        + "DeadlineExceeded desc = context deadline exceeded)", StatusCode.Unavailable, Reasons.KubeletUnavailable)]
    [TestCase(500, Failed
        + "Unavailable desc = error reading from server: EOF)", StatusCode.Unavailable, Reasons.KubeletUnavailable)]
    [TestCase(500, Failed + "Canceled desc = context canceled)", StatusCode.Unavailable, Reasons.KubeletUnavailable)]
    [TestCase(503, "apiserver is shutting down", StatusCode.Unavailable, Reasons.KubeletUnavailable)]
    [TestCase(500, Failed
        + "Unknown desc = criu failed: type DUMP errno 0)", StatusCode.FailedPrecondition, Reasons.CheckpointFailed)]
    [TestCase(500, Failed
        + "Unknown desc = writing archive: write /var/lib/kubelet/checkpoints/c.tar: no space left on device)",
        StatusCode.FailedPrecondition, Reasons.NotEnoughSpace)]
    [TestCase(500, Failed
        + "Unknown desc = write: disk quota exceeded)", StatusCode.FailedPrecondition, Reasons.NotEnoughSpace)]
    [TestCase(
        500, Failed + "NotFound desc = container 1 not found)", StatusCode.FailedPrecondition, Reasons.PodNotRunning)]
    [TestCase(404, "pod does not exist", StatusCode.NotFound, Reasons.PodNotFound)]
    public void Only_a_dump_whose_end_kubelet_has_seen_is_taken_for_ended(
        int code, string text, StatusCode status, string reason)
    {
        var exception = KubeletClient.Explain((HttpStatusCode)code, text);

        (exception.StatusCode, AgentReasons.Of(exception)).Should().Be((status, reason));
        AgentReasons.IsTransient(exception).Should().Be(status == StatusCode.Unavailable);
    }

    [Test]
    public void Connected_sockets_are_told_with_what_to_do_of_a_migration_and_of_a_snapshot()
    {
        var exception = KubeletClient.Explain(
            HttpStatusCode.InternalServerError,
            Failed + "Unknown desc = inet: Connected TCP socket, consider using --tcp-established)");

        AgentReasons.Of(exception).Should().Be(Reasons.EstablishedTcpConnections);
        exception.Status.Detail
            .Should().Contain("a migration closes them with tcpPolicy: Close").And.Contain(
                "a snapshot is taken when there are none");
    }

    [TestCase(0u, 150)]
    [TestCase(10u, 150)]
    [TestCase(600u, 630)]
    public async Task A_kubelet_that_does_not_answer_is_told_with_the_time_that_was_waited(uint timeout, int seconds)
    {
        using var kubelet = new TcpListener(IPAddress.Loopback, 0);
        kubelet.Start();
        var time = new HandTime();
        var options = new AgentOptions { NodeName = "node", KubeletUrl = $"http://{kubelet.LocalEndpoint}" };
        using var client = new KubeletClient(Options.Create(options), time);
        var call = client.CheckpointAsync("default", "web", "app", timeout, CancellationToken.None);
        using var asked = await kubelet.AcceptSocketAsync();

        time.Advance(TimeSpan.FromSeconds(seconds));

        var refusal = (await FluentActions.Awaiting(() => call).Should().ThrowAsync<RpcException>()).Which;
        AgentReasons.Of(refusal).Should().Be(Reasons.KubeletUnavailable);
        refusal.Status.Detail.Should().Be($"kubelet has not answered within {seconds} s");
    }

    [Test]
    public async Task A_kubelet_that_hangs_is_told_before_the_agent_looks_as_if_it_did()
    {
        using var kubelet = new TcpListener(IPAddress.Loopback, 0);
        kubelet.Start();
        var time = new HandTime();
        var options = new AgentOptions { NodeName = "node", KubeletUrl = $"http://{kubelet.LocalEndpoint}" };
        using var client = new KubeletClient(Options.Create(options), time);
        var probe = client.ProbeAsync(CancellationToken.None);
        using var asked = await kubelet.AcceptSocketAsync();

        time.Advance(TimeSpan.FromSeconds(5));

        (await probe).Should().Be((false, "kubelet has not answered for 5 s"));
    }

    [Test]
    public void A_kubelet_that_is_busy_is_said_to_be() =>
        KubeletClient.Explain(HttpStatusCode.ServiceUnavailable, "apiserver is shutting down").Status.Detail
            .Should().Be("kubelet is busy (503): apiserver is shutting down");

    [TestCase(0, 120u)]
    [TestCase(1L << 30, 184u)]
    [TestCase(64L << 30, 4216u)]
    public void Large_containers_have_more_time(long bytes, uint seconds) =>
        Dumper.PatienceFor(bytes).Should().Be(seconds);
}
