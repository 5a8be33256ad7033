using System.Globalization;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.EndToEnd;

/// <summary>Rules that keep two checkpoints of a pod, remove orphans after seconds, and let no
/// missing agent hold an object.</summary>
[TestFixture]
public sealed class RetentionTests() : BenchTests(
    "r",
    ("Operator__Retention__Interval", "00:00:01"),
    ("Operator__Retention__MaxPerPod", "2"),
    ("Operator__Retention__Orphans", "Delete"),
    ("Operator__Retention__OrphanAge", "00:00:03"),
    ("Operator__BytesPatience", "00:00:05"))
{
    [Test]
    public async Task The_oldest_checkpoint_goes_and_a_pinned_one_stays()
    {
        await StartAsync(Pod("many", Counter("c")));
        var pinned = await CheckpointAsync("many", "many-pinned");
        await Cluster.KubectlAsync("annotate", "podcheckpoint", "many-pinned", "lpm.my.domain/pinned=true");
        var oldest = await CheckpointAsync("many", "many-1");
        await CheckpointAsync("many", "many-2");

        // Three, and the pinned one may not go: the oldest of the others does.
        await Cluster.KubectlAsync("wait", "--for=delete", "--timeout=180s", "podcheckpoint/many-1");

        // Its object waits 5 s for the bytes to go: it may be gone first, on a slow machine.
        await Wait.UntilAsync(() => !Directory.Exists(FolderOf(oldest)), "the oldest one's bytes are gone");
        Directory.Exists(FolderOf(pinned)).Should().BeTrue();
        (await Cluster.KubectlAsync("get", "podcheckpoint", "-o", "name"))
            .Should().Contain("many-2").And.Contain("many-pinned");
        await Cluster.UntilAsync(
            events => events.Contains("Expired") && events.Contains("pod many has more than 2 checkpoints"),
            "get", "events", "--field-selector", "involvedObject.name=many-1");
    }

    [Test]
    public async Task Bytes_without_an_object_are_removed()
    {
        await StartAsync(Pod("orphan", Counter("c")));
        var uri = await CheckpointAsync("orphan", more: "deletionPolicy: Retain");
        var content = await Cluster.GetAsync("podcheckpoint", "orphan", "{.status.boundContentName}");
        await Cluster.KubectlAsync("delete", "podcheckpoint", "orphan", "--timeout=180s");
        File.Exists(Path.Combine(FolderOf(uri), ".checkpoint-complete")).Should().BeTrue();

        var part = await Cluster.KubectlAsync(
            "get", "ccpc", "-o", "jsonpath={.items[?(@.spec.source.podName==\"orphan\")].metadata.name}");
        await Cluster.KubectlAsync("delete", "--timeout=180s", $"pcpc/{content}", $"ccpc/{part}");

        await Wait.UntilAsync(() => !Directory.Exists(FolderOf(uri)), "the orphan's bytes are gone");
    }

    [Test]
    public async Task A_checkpoint_that_has_lost_its_bytes_says_so_and_comes_back_with_them()
    {
        await StartAsync(Pod("lost", Counter("c")));
        var uri = await CheckpointAsync("lost");
        await CheckpointAsync("lost", "lost-2");
        var aside = Path.Combine(Cluster.Folder, "aside");
        Directory.Move(FolderOf(uri), aside);

        await Cluster.KubectlAsync(
            "wait", "--timeout=180s",
            "--for=jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}=ArtifactMissing", "podcheckpoint/lost");
        using var http = new HttpClient();
        var index = int.Parse(
            await File.ReadAllTextAsync(Path.Combine(Cluster.Folder, "index")), CultureInfo.InvariantCulture);
        const string Alerted = "\npodcheckpointcontent_objects{ready=\"False\",reason=\"ArtifactMissing\"} 1\n";
        await Wait.UntilAsync(async () =>
            (await http.GetStringAsync($"http://127.0.0.1:{8000 + index}/metrics")).Contains(Alerted));

        Directory.Move(aside, FolderOf(uri));
        await Cluster.KubectlAsync("wait", "--for=condition=Ready", "--timeout=180s", "podcheckpoint/lost");
    }

    [Test]
    public async Task No_missing_agent_holds_a_deleted_checkpoint_for_ever()
    {
        await StartAsync(Pod("stuck", Counter("c")));
        await CheckpointAsync("stuck");
        var content = await Cluster.GetAsync("podcheckpoint", "stuck", "{.status.boundContentName}");
        await Cluster.KillAsync("agent-node-a");
        await Cluster.KillAsync("agent-node-b");
        try
        {
            await Cluster.KubectlAsync("delete", "podcheckpoint", "stuck", "--timeout=180s");

            await Cluster.UntilAsync(
                events => events.Contains("AgentUnavailable") && events.Contains("BytesLeftBehind"),
                "get", "events", "-A", "--field-selector", $"involvedObject.name={content}");
        }
        finally
        {
            await Cluster.StartProcessAsync("agent", "node-a");
            await Cluster.StartProcessAsync("agent", "node-b");
        }
    }
}
