using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>Pods that mount PersistentVolumeClaims: with volumes that both nodes have, and with volumes of which one
/// node has all that there is.</summary>
[TestFixture]
public sealed class ClaimTests : SharedBenchTests
{
    // Writes every number into a file that it keeps open in the volume, too.
    private const string Writer = """
        import time
        out = open("/data/numbers", "a")
        n = 0
        while True:
            n += 1
            out.write(f"{n}\n"); out.flush()
            print(f"n={n}", flush=True)
            time.sleep(0.05)
        """;

    [Test]
    public async Task A_pod_goes_on_with_the_file_that_it_has_open_in_a_volume_that_both_nodes_have()
    {
        await ClaimAsync("shared", "ReadWriteMany", "node-a", "node-b");
        await StartAsync(Claiming("shared"));
        await MigrateAsync("shared", "shared", "node-b", "Completed");
        await CountOnAsync("node-b", "shared-m", "c");
        await Cluster.UntilAsync(
            events => events.Contains("Restored from PodCheckpoint shared-", StringComparison.Ordinal)
                && events.Contains(
                "of pod shared on node-a by PodMigration default/shared; it stood still for ",
                StringComparison.Ordinal),
            "get", "events", "--field-selector", "involvedObject.kind=Pod", "-o",
            "jsonpath={range .items[*]}{.involvedObject.name} {.reason} {.message}{\"\\n\"}{end}");

        await OneCopyGoesOnAsync("shared");
        var written = (await File.ReadAllLinesAsync(Path.Combine(FolderOf("shared://.claims"), "shared", "numbers")))
            .SkipLast(1)
            .ToList();
        written.Should().Equal(Enumerable.Range(1, written.Count)
            .Select(n => $"{n}"), "it has written to one file from two nodes, each number once");
        written.Count.Should().BeGreaterThan(10);
    }

    [TestCase("ReadWriteOnce", "VolumeNotShared", "one node at a time can have it", "node-a", "node-b")]
    [TestCase(
        "ReadWriteMany", "VolumeNotReachable", "nodeAffinity metadata.name In node-a, which node node-b does not meet",
        "node-a")]
    public async Task A_volume_that_the_target_cannot_have_is_refused_and_nothing_is_touched(
        string mode, string reason, string why, params string[] nodes)
    {
        var pod = "claim" + nodes.Length;
        await ClaimAsync(pod, mode, nodes);
        await StartAsync(Claiming(pod));
        await MigrateAsync(pod, pod, "node-b", "Failed");

        (await Cluster.GetAsync("podmigration", pod, "{.status.conditions[?(@.type==\"Ready\")].reason}"))
            .Should().Be(reason);
        (await Cluster.GetAsync("podmigration", pod, "{.status.message}"))
            .Should().Contain($"\"data\" mounts claim {pod}, whose volume {pod} has ").And.Contain(why);
        (await Cluster.GetAsync("podmigration", pod, "{.status.conditions[?(@.type==\"SourceFenced\")].status}"))
            .Should().BeEmpty();
        (await Cluster.KubectlAsync("get", "pods", "-o", "name"))
            .Should().NotContain($"pod/{pod}-m", "no target was made");
        await OneCopyGoesOnAsync(pod);
    }

    private static string Claiming(string name) =>
        Pod(name, Python("c", Writer) + "\n    volumeMounts: [{name: data, mountPath: /data}]")
            .Replace(
                "  containers:",
                $"  volumes: [{{name: data, persistentVolumeClaim: {{claimName: {name}}}}}]\n  containers:",
                StringComparison.Ordinal);

    /// <summary>A folder of the volume that all nodes have, as the volume of a claim.</summary>
    private async Task ClaimAsync(string name, string mode, params string[] nodes)
    {
        Directory.CreateDirectory(Path.Combine(FolderOf("shared://.claims"), name));
        var names = string.Join(", ", nodes);
        await Cluster.ApplyAsync($"""
            apiVersion: v1
            kind: PersistentVolume
            metadata:
              name: {name}
            spec:
              accessModes: [{mode}]
              capacity:
                storage: 1Mi
              local:
                path: /mnt/checkpoints/.claims/{name}
              nodeAffinity:
                required:
                  nodeSelectorTerms:
                  - matchFields:
                    - key: metadata.name
                      operator: In
                      values: [{names}]
            ---
            apiVersion: v1
            kind: PersistentVolumeClaim
            metadata:
              name: {name}
            spec:
              accessModes: [{mode}]
              volumeName: {name}
              resources:
                requests:
                  storage: 1Mi
            """);
        // What the controller of volumes does in a whole cluster.
        await Cluster.KubectlAsync(
            "patch", "pvc", name, "--subresource=status", "--type=merge", "-p", "{\"status\":{\"phase\":\"Bound\"}}");
    }
}
