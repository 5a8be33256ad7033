using System.Net;
using FluentAssertions;
using Grpc.Core;
using NUnit.Framework;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Kubelet;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Unit.Agent;

/// <summary>What an answer of kubelet's tells about the dump.</summary>
internal sealed class KubeletAnswersTests
{
    private const string Failed = "checkpointing of default/web/app failed (rpc error: code = ";

    [TestCase(500, Failed + "DeadlineExceeded desc = context deadline exceeded)", StatusCode.Unavailable, Reasons.KubeletUnavailable)]
    [TestCase(500, Failed + "Unavailable desc = error reading from server: EOF)", StatusCode.Unavailable, Reasons.KubeletUnavailable)]
    [TestCase(500, Failed + "Canceled desc = context canceled)", StatusCode.Unavailable, Reasons.KubeletUnavailable)]
    [TestCase(503, "apiserver is shutting down", StatusCode.Unavailable, Reasons.KubeletUnavailable)]
    [TestCase(500, Failed + "Unknown desc = criu failed: type DUMP errno 0)", StatusCode.FailedPrecondition, Reasons.CheckpointFailed)]
    [TestCase(500, Failed + "Unknown desc = writing archive: write /var/lib/kubelet/checkpoints/c.tar: no space left on device)", StatusCode.FailedPrecondition, Reasons.NotEnoughSpace)]
    [TestCase(500, Failed + "Unknown desc = write: disk quota exceeded)", StatusCode.FailedPrecondition, Reasons.NotEnoughSpace)]
    [TestCase(500, Failed + "NotFound desc = container 1 not found)", StatusCode.FailedPrecondition, Reasons.PodNotRunning)]
    [TestCase(404, "pod does not exist", StatusCode.NotFound, "PodNotFound")]
    public void Only_a_dump_whose_end_kubelet_has_seen_is_taken_for_ended(int code, string text, StatusCode status, string reason)
    {
        var exception = KubeletClient.Explain((HttpStatusCode)code, text);

        (exception.StatusCode, AgentReasons.Of(exception)).Should().Be((status, reason));
        AgentReasons.IsTransient(exception).Should().Be(status == StatusCode.Unavailable);
    }

    [TestCase(0, 120u)]
    [TestCase(1L << 30, 184u)]
    [TestCase(64L << 30, 4216u)]
    public void Large_containers_have_more_time(long bytes, uint seconds) => Dumper.PatienceFor(bytes).Should().Be(seconds);
}
