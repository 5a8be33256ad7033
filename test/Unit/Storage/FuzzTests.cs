using NUnit.Framework;
using PodCheckpointing.Stress;

namespace PodCheckpointing.Unit.Storage;

/// <summary>A few cases of what `dotnet run --project test/Stress -- fuzz --seconds=300` runs by the million.</summary>
public sealed class FuzzTests
{
    private static readonly string[] Targets = [.. Fuzz.Targets.Keys];

    [TestCaseSource(nameof(Targets))]
    public void Damaged_input_is_refused_or_read_and_nothing_else(string target)
    {
        for (var number = 0; number < 500; number++)
        {
            Assert.DoesNotThrow(
                () => Fuzz.Targets[target](1, number), $"fuzz --target={target} --case={number} --seed=1");
        }
    }
}
