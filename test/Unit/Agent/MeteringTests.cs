using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Metrics;
using PodCheckpointing.Unit.Storage;

namespace PodCheckpointing.Unit.Agent;

public sealed class MeteringTests : StoreFolder
{
    [Test]
    public async Task No_link_is_followed_that_lies_among_what_is_staged()
    {
        await File.WriteAllTextAsync(Path.Combine(Root, "elsewhere"), new string('x', 1000));
        var staged = Directory.CreateDirectory(Path.Combine(Out, ".volume-data", "folder")).FullName;
        await File.WriteAllTextAsync(Path.Combine(staged, ".file"), "12345");
        File.CreateSymbolicLink(Path.Combine(staged, "out"), Root);
        File.CreateSymbolicLink(Path.Combine(staged, "round"), Out);
        File.CreateSymbolicLink(Path.Combine(staged, "file"), Path.Combine(Root, "elsewhere"));
        File.CreateSymbolicLink(Path.Combine(staged, "nowhere"), "no-such-file");

        Metering.BytesBelow(Out).Should().Be(5);
    }

    [Test]
    public void A_folder_with_nothing_in_it_takes_nothing() => Metering.BytesBelow(Out).Should().Be(0);
}
