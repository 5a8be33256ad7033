using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>The bench that fixtures share, from the first that wants it to the end.</summary>
[SetUpFixture]
public sealed class SharedBench
{
    private static LocalCluster.LocalCluster? _cluster;

    internal static async Task<LocalCluster.LocalCluster> TakeAsync(string name) =>
        _cluster ??= await LocalCluster.LocalCluster.StartAsync(name);

    [OneTimeTearDown]
    public static async Task DropAsync()
    {
        if (_cluster is { } cluster)
        {
            _cluster = null;
            await cluster.DisposeAsync();
        }
    }
}
