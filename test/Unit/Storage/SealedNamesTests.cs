using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Unit.Storage;

/// <summary>A marker never outlives, in a power failure, the names that it stands over.</summary>
public sealed class SealedNamesTests : StoreFolder
{
    [Test]
    public async Task Every_folder_on_the_way_to_an_artifact_is_synced_before_the_marker()
    {
        await WriteAsync(new MemoryStream(new byte[1024]));
        var checkpoint = Path.Combine(Root, Pod, Id);
        string[] folders = [Root, Path.Combine(
            Root, Pod), checkpoint, Path.Combine(checkpoint, ".volumes"), Path.Combine(checkpoint, Volume)];
        using var opened = new Opened(folders);

        Store.Seal(Pod, Id, [Volume]);

        var seen = opened.Read();
        var marked = seen.IndexOf($"to {Path.Combine(checkpoint, ".checkpoint-complete")}");
        seen[..marked].Should().Contain(folders);
    }

    [Test]
    public void A_volume_that_fails_to_answer_does_not_say_that_a_checkpoint_is_not_sealed()
    {
        Store.IsSealed(Pod, Id).Should().BeFalse();
        Directory.CreateDirectory(Path.Combine(Root, Pod));
        // Names that go round in a circle: another error than that nothing is there.
        File.CreateSymbolicLink(Path.Combine(Root, Pod, Id), Path.Combine(Root, Pod, Id));

        Store.Invoking(store => store.IsSealed(Pod, Id)).Should().Throw<IOException>();
    }
}
