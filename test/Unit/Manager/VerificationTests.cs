using FluentAssertions;
using Google.Protobuf.WellKnownTypes;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Unit.Manager;

/// <summary>When a target that has ended has failed its restore, and when it has only ended.</summary>
public sealed class VerificationTests
{
    private static readonly DateTime Began = new(2026, 11, 21, 0, 0, 0, DateTimeKind.Utc);

    [TestCase(1, 2, true)]
    [TestCase(139, 9, true)]
    [TestCase(1, 11, false)]
    [TestCase(0, 1, false)]
    public void A_failure_soon_after_the_start_is_the_restores(int exitCode, int seconds, bool fails)
    {
        var ended = new V1ContainerState
        {
            Terminated = new V1ContainerStateTerminated { ExitCode = exitCode, FinishedAt = Began.AddSeconds(seconds) },
        };
        var stays = Target(new V1ContainerStatus { Name = "c", State = ended });
        var restarted = Target(new V1ContainerStatus
        {
            Name = "c", State = new V1ContainerState { Running = new V1ContainerStateRunning() },
            LastState = ended, RestartCount = 1,
        });

        foreach (var target in new[] { stays, restarted })
        {
            var why = Verification.OfContainers(target, Restored());
            (why is not null).Should().Be(fails);
            if (fails)
            {
                why!.Reason.Should().Be(Reasons.RestoreFailed);
                why.Message.Should().Contain($"exit code {exitCode}");
            }

            Verification.IsComplete(target, Restored(), 1).Should().BeTrue();
        }
    }

    [TestCase(null, -20)]
    [TestCase("StartError", 0)]
    public void A_create_that_waited_in_vain_says_nothing_of_the_one_that_was_restored(string? reason, int seconds)
    {
        var vain = new V1ContainerState
        {
            Terminated = new V1ContainerStateTerminated
            {
                ExitCode = 128, Reason = reason, FinishedAt = Began.AddSeconds(seconds),
            },
        };
        var behind = Target(new V1ContainerStatus { Name = "c", State = vain });
        var now = Target(new V1ContainerStatus
        {
            Name = "c",
            State = new V1ContainerState { Running = new V1ContainerStateRunning() },
            LastState = vain,
            RestartCount = 1,
        });

        Verification.OfContainers(behind, Restored()).Should().BeNull();
        Verification.IsComplete(behind, Restored(), 1).Should().BeFalse("kubelet has not seen the one that runs");
        Verification.OfContainers(now, Restored()).Should().BeNull();
        Verification.IsComplete(now, Restored(), 1).Should().BeTrue();
    }

    [TestCase(0, 0, true)]
    [TestCase(9, 0, true)]
    [TestCase(10, 0, false)]
    [TestCase(-1, 0, false)]
    [TestCase(0, 900, true)]
    public void What_fails_in_the_second_in_which_it_was_verified_has_not_stood_the_restore(
        int second, int verified, bool fails) =>
        (Verification.AfterVerified(Restarted(Began.AddSeconds(second)), Began.AddMilliseconds(verified)) is not null)
            .Should().Be(fails);

    [Test]
    public void What_kubelet_found_gone_after_a_reboot_has_not_stood_the_restore() =>
        Verification.AfterVerified(Restarted(null), Began)!.Reason.Should().Be(Reasons.RestoreFailed);

    private static V1Pod Restarted(DateTime? ended) => Target(new V1ContainerStatus
    {
        Name = "c",
        State = new V1ContainerState { Running = new V1ContainerStateRunning() },
        LastState = new V1ContainerState
        {
            Terminated = new V1ContainerStateTerminated { ExitCode = 137, FinishedAt = ended },
        },
        RestartCount = 1,
    });

    [Test]
    public void What_kubelet_has_not_seen_run_is_waited_for()
    {
        var target = Target(
            new V1ContainerStatus
            {
                Name = "c",
                State = new V1ContainerState { Waiting = new V1ContainerStateWaiting() },
            });

        Verification.OfContainers(target, Restored()).Should().BeNull();
        Verification.IsComplete(target, Restored(), 1).Should().BeFalse();
    }

    private static V1Pod Target(V1ContainerStatus status) => new()
    {
        Metadata = new V1ObjectMeta { Name = "web-m1" },
        Spec = new V1PodSpec { Containers = [new V1Container { Name = "c" }] },
        Status = new V1PodStatus { ContainerStatuses = [status] },
    };

    private static GetRestoreResponse Restored()
    {
        var restore = new GetRestoreResponse();
        restore.Containers.Add(
            new ContainerRestore { ContainerName = "c", Phase = "Running", RunningAt = Timestamp.FromDateTime(Began) });
        return restore;
    }
}
