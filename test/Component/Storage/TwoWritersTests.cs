using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Component.Store;

/// <summary>Two processes that write, remove and import the same checkpoints at once.</summary>
public sealed class TwoWritersTests
{
    private const string Pod = "7c9e6679";
    private const int Count = 40;
    private string _root = null!;

    [SetUp]
    public void Begin() => _root = Directory.CreateDirectory($"/dev/shm/store-{Guid.NewGuid():n}").FullName;

    [TearDown]
    public void End() => Directory.Delete(_root, recursive: true);

    [Test]
    public async Task One_of_them_is_refused_and_neither_breaks_anything()
    {
        using var first = new LifeProcess(_root, Pod, 0, Count, held: true);
        using var second = new LifeProcess(_root, Pod, 0, Count);
        await first.GoAsync();
        await first.ReadUntilAsync("held").WaitAsync(TimeSpan.FromMinutes(3));
        await second.GoAsync();
        await second.ReadUntilAsync("refused").WaitAsync(TimeSpan.FromMinutes(3));
        second.Lines.Should().OnlyContain(line => line.Number == 0, "that is what the first one is at");
        await first.GoOnAsync();

        await Task.WhenAll(first.EndAsync(), second.EndAsync()).WaitAsync(TimeSpan.FromMinutes(3));

        first.Lines[^1].Should().Be((Count, "end"));
        second.Lines[^1].Should().Be((Count, "end"));
        var small = new SmallStore(_root);
        for (var number = 0; number < Count; number++)
        {
            await small.SeesAsync(Pod, number);
        }

        await small.SweptAsync();
    }
}
