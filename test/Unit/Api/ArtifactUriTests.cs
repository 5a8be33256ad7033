using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Unit.Api;

public sealed class ArtifactUriTests
{
    private const string Uid = "3b5a7c1e-0d52-4c8e-9a3e-6f0b1d2c3e4f";
    private const string Id = "20261121t003412z-7f3a9c";
    private const string Pod = $"shared://{Uid}/{Id}";

    [Test]
    public void Reads_a_pod()
    {
        var uri = ArtifactUri.Parse(Pod);

        (uri.PodUid, uri.CheckpointId, uri.Container).Should().Be((Uid, Id, null));
        uri.ToString().Should().Be(Pod);
        uri.Should().Be(ArtifactUri.ForPod(Uid, Id));
    }

    [Test]
    public void Reads_a_container()
    {
        var uri = ArtifactUri.Parse($"{Pod}/counter/dump.tar.zst");

        (uri.PodUid, uri.CheckpointId, uri.Container).Should().Be((Uid, Id, "counter"));
        uri.ToString().Should().Be($"{Pod}/counter/dump.tar.zst");
        uri.Should().Be(ArtifactUri.ForContainer(Uid, Id, "counter"));
    }

    [TestCase(null, "does not begin with shared://")]
    [TestCase("", "does not begin with shared://")]
    [TestCase("/mnt/checkpoints/a/b", "does not begin with shared://")]
    [TestCase("SHARED://a/b", "does not begin with shared://")]
    [TestCase(" " + Pod, "does not begin with shared://")]
    [TestCase("shared://", "1 parts")]
    [TestCase("shared://" + Uid, "1 parts")]
    [TestCase(Pod + "/", "3 parts")]
    [TestCase(Pod + "/counter", "3 parts")]
    [TestCase(Pod + "/counter/dump.tar.zst/", "5 parts")]
    [TestCase("shared:///" + Id, "\"\" as pod UID")]
    [TestCase("shared://../" + Id, "\"..\" as pod UID")]
    [TestCase("shared://-1/" + Id, "\"-1\" as pod UID")]
    [TestCase("shared://" + Uid + "/..", "\"..\" as checkpoint ID")]
    [TestCase("shared://" + Uid + "/latest", "\"latest\" as checkpoint ID")]
    [TestCase("shared://" + Uid + "/20261121T003412Z-7F3A9C", "as checkpoint ID")]
    [TestCase(Pod + "\n", "as checkpoint ID")]
    [TestCase(Pod + "/../dump.tar.zst", "\"..\" as container")]
    [TestCase(Pod + "/.volumes/dump.tar.zst", "\".volumes\" as container")]
    [TestCase(Pod + "/Counter/dump.tar.zst", "\"Counter\" as container")]
    [TestCase(Pod + "/counter/dump.tar", "\"dump.tar\" as file")]
    [TestCase(Pod + "/counter/manifest.json", "\"manifest.json\" as file")]
    public void Refuses(string? text, string reason)
    {
        var act = () => ArtifactUri.Parse(text);

        act.Should().Throw<FormatException>().WithMessage($"artifact URI *{reason}*: write shared://<podUID>/*");
        ArtifactUri.TryParse(text, out var uri).Should().BeFalse();
        uri.Should().BeNull();
    }

    [Test]
    public void Refuses_what_is_too_long()
    {
        ArtifactUri.TryParse($"{Pod}/{new string('a', 64)}/dump.tar.zst", out _).Should().BeFalse();
        ArtifactUri.TryParse($"shared://{new string('a', 600)}/{Id}", out _, out var error).Should().BeFalse();
        error!.Length.Should().BeLessThan(600);
    }

    [Test]
    public void Shows_no_control_characters()
    {
        ArtifactUri.TryParse("shared://a\u001b[2J/b\"c", out _, out var error).Should().BeFalse();

        error.Should().NotContain("\u001b").And.Contain("a?[2J");
    }

    [Test]
    public void Makes_ids_that_sort_by_time_and_can_be_read()
    {
        var first = ArtifactUri.NewCheckpointId(new FixedTime(new(2026, 11, 21, 0, 34, 12, TimeSpan.Zero)));
        var second = ArtifactUri.NewCheckpointId(new FixedTime(new(2026, 11, 21, 0, 34, 13, TimeSpan.Zero)));

        first.Should().StartWith("20261121t003412z-");
        string.CompareOrdinal(first, second).Should().BeNegative();
        ArtifactUri.ForPod(Uid, first).CheckpointId.Should().Be(first);
    }

    private sealed class FixedTime(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }
}
