using FluentAssertions;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Unit.Storage;

namespace PodCheckpointing.Unit.Agent;

public sealed class WarmUpTests : StoreFolder
{
    [Test]
    public async Task A_rehearsal_comes_to_its_end_and_leaves_nothing()
    {
        // As one that was killed has left it.
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(Out, ".rehearsal/store")).FullName, "left"), "");
        using var warmUp = new WarmUp(
            Options.Create(new AgentOptions { StateRoot = Out, StoreRoot = Root }), TimeProvider.System, NullLogger<WarmUp>.Instance);

        await warmUp.RehearseAsync(CancellationToken.None);

        Directory.EnumerateFileSystemEntries(Out).Should().BeEmpty();
        Directory.EnumerateFileSystemEntries(Root).Should().BeEmpty();
    }
}
