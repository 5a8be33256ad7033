using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>Tests on a bench that their fixtures use one after the other: each ends what it has begun, and its pods
/// have names of their own, for what they print stays.</summary>
public abstract class SharedBenchTests() : BenchTests("e")
{
    protected override Task<LocalCluster.LocalCluster> BringUpAsync(string name) => SharedBench.TakeAsync(name);

    protected override async Task TakeDownAsync()
    {
        try
        {
            await Cluster.KubectlAsync("delete", "podmigration", "--all", "-A", "--timeout=180s");
            await Cluster.KubectlAsync("delete", "pod,podcheckpoint", "--all", "-A", "--timeout=180s");
            await Cluster.KubectlAsync("delete", "pcpc,ccpc", "--all", "--timeout=180s");
            foreach (var node in new[] { "node-a", "node-b" })
            {
                (await Cluster.OnNodeAsync(
                    node,
                    "left() { ls /var/lib/pod-checkpointing/fences 2>/dev/null; ctr -n k8s.io tasks ls -q; }; "
                    + "for i in $(seq 600); do [ -n \"$(left)\" ] || break; sleep 0.1; done; left"))
                    .Should().BeEmpty("nothing of {0} is left on {1}", GetType().Name, node);
            }
        }
        catch
        {
            // The next has nothing to do with it.
            await TestContext.Out.WriteLineAsync(await Cluster.TailsAsync());
            await SharedBench.DropAsync();
            throw;
        }
    }
}
