using FluentAssertions;
using Grpc.Core;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Unit.Agent;

/// <summary>A disk that is full is not waited for; any other trouble of it may pass.</summary>
internal sealed class FullDiskTests
{
    // On the file system of the tests, so that there are figures.
    private static readonly AgentOptions Options = new()
    {
        NodeName = "node-a",
        StoreRoot = "/mnt", StateRoot = "/var/lib", KubeletDirectory = "/var/lib/kubelet/checkpoints",
    };

    [TestCase(28, "has no room left")]
    [TestCase(122, "has no quota left")]
    public void Says_which_disk_how_full_it_is_and_what_to_do(int error, string what)
    {
        var refusal = FullDisk.RefusalOf(new IOException("/mnt/u1/c1/app/dump.tar.zst: it is full", error), Options);

        refusal!.StatusCode.Should().Be(StatusCode.FailedPrecondition);
        AgentReasons.Of(refusal).Should().Be(Reasons.NotEnoughSpace);
        AgentReasons.IsTransient(refusal).Should().BeFalse();
        refusal.Status.Detail.Should().MatchRegex(
            $@"^the checkpoint volume at /mnt of node node-a {what}: [\d.]+ \w+ of [\d.]+ \w+ are free .*; "
            + @"delete PodCheckpoints .*, or enlarge it on its server \(the claim's size stays\) "
            + @"\(/mnt/u1/c1/app/dump\.tar\.zst: it is full\)$");
    }

    [TestCase(
        "No space left on device : '/var/lib/kubelet/checkpoints/checkpoint-web.tar'",
        "the disk at /var/lib/kubelet/checkpoints of node node-a ")]
    [TestCase("No space left on device : '/var/lib/dumps/u1.app.partial'", "the disk at /var/lib of node node-a ")]
    [TestCase(
        "No space left on device : '/etc/criu/crun.conf.pod-checkpointing-saved'", "the disk at / of node node-a ")]
    [TestCase(
        "what was written does not reach the disk: No space left on device",
        "the checkpoint volume at /mnt of node node-a ")]
    public void Knows_the_disk_by_the_path(string message, string disk) =>
        FullDisk.RefusalOf(new IOException(message, 28), Options)!.Status.Detail.Should().StartWith(disk);

    [Test]
    public void Knows_what_the_kernel_says_also_where_it_is_the_cause_of_another_failure()
    {
        // /dev/full answers every write with ENOSPC.
        var kernels =
            FluentActions.Invoking(() => File.WriteAllText("/dev/full", "x")).Should().Throw<IOException>().Which;

        FullDisk.RefusalOf(kernels, Options).Should().NotBeNull();
        FullDisk.RefusalOf(new InvalidOperationException("storing failed", kernels), Options).Should().NotBeNull();
    }

    [TestCase(5, TestName = "An_input_output_error_may_pass")]
    [TestCase(116, TestName = "A_stale_file_handle_may_pass")]
    [TestCase(110, TestName = "A_server_that_does_not_answer_may_come_back")]
    public void Others_may_pass(int error) =>
        FullDisk.RefusalOf(new IOException("/mnt/u1: no", error), Options).Should().BeNull();

    [Test]
    public void Without_figures_the_rest_is_said_all_the_same() =>
        FullDisk.RefusalOf(
            new IOException("/no/such/volume/u1: full", 28),
            new AgentOptions { NodeName = "node-a", StoreRoot = "/no/such/volume" })!
            .Status.Detail
            .Should().StartWith("the checkpoint volume at /no/such/volume of node node-a has no room left; delete");
}
