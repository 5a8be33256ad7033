using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.ContainerCheckpoints;
using PodCheckpointing.Manager.PodMigrations.Forward;

namespace PodCheckpointing.Unit.Manager;

public sealed class MeasurementTests
{
    [Test]
    public void A_content_says_which_digest_is_of_the_tar_and_which_of_the_artifact()
    {
        var status = ContainerCheckpointContents.StatusOf(
            new ContainerCheckpointContent(),
            new CheckpointResponse
            {
                Digest = "sha256:tar", CompressedDigest = "sha256:zst", ImageId = "sha256:image", StoppedAt = new(),
            });

        status.Digest.Should().Be("sha256:tar");
        status.CompressedDigest.Should().Be("sha256:zst");
        status.ImageID.Should().Be("sha256:image");
    }

    [TestCase(250, 250)]
    [TestCase(0, 0)]
    [TestCase(-3, 0)]
    public void A_downtime_is_never_negative_however_wrong_the_clocks_are_guessed(int apart, long downtime) =>
        RestoreStep.Downtime(DateTime.UnixEpoch, DateTime.UnixEpoch.AddMilliseconds(apart)).Should().Be(downtime);
}
