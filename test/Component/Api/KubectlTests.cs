using System.Text.RegularExpressions;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Generate;

namespace PodCheckpointing.Component.Api;

/// <summary>What people see who use kubectl.</summary>
public sealed partial class KubectlTests
{
    private readonly ControlPlane _cluster = ApiCluster.Server;

    [OneTimeSetUp]
    public Task GivenFinishedObjectsAsync() =>
        ApiCluster.AcceptAsync([.. Samples.Finished(), .. Samples.Of("checkpointnode-silent")]);

    [TestCase(
        "pmig",
        "NAME POD SOURCE TARGET PHASE OUTCOME DOWNTIME(MS) AGE",
        "counter-done counter node-a node-b Completed Restored 247 AGE")]
    [TestCase(
        "pcp",
        "NAME POD NODE READY REASON SIZE AGE",
        "counter-done counter node-a true CheckpointCompleted 1048576 AGE")]
    [TestCase(
        "ccp",
        "NAME POD CONTAINER READY REASON SIZE AGE",
        "counter-done counter counter true CheckpointCompleted 1048576 AGE")]
    [TestCase(
        "pcpc",
        "NAME NAMESPACE CHECKPOINT READY POLICY SIZE AGE",
        "counter-done default counter true Delete 1048576 AGE")]
    [TestCase(
        "ccpc",
        "NAME NAMESPACE CHECKPOINT READY POLICY SIZE AGE",
        "counter-done default counter-counter true Delete 1048576 AGE")]
    [TestCase(
        "cpn",
        "NAME READY REASON AGENT RUNTIME CRIU KERNEL AGE",
        "node-a True Succeeded 1.0.0 crun 1.28 4.2.1 6.12.4-amd64 AGE",
        "node-a")]
    public async Task Answers_the_first_question(
        string kind, string header, string row, string name = "counter-done") =>
        (await TableAsync("get", kind, name)).Should().Equal(header, row);

    [TestCase(
        "pmig",
        "NAME POD SOURCE TARGET PHASE OUTCOME DOWNTIME(MS) REASON RESTORED-POD CHECKPOINT BYTES MESSAGE AGE",
        "counter-done counter node-a node-b Completed Restored 247 Succeeded counter-m3b5a7c1e counter-3b5a7c1e "
        + "1048576 pod counter-m3b5a7c1e goes on at node-b AGE")]
    [TestCase(
        "pcp",
        "NAME POD NODE READY REASON SIZE POLICY CONTENT CHECKPOINT-ID MESSAGE AGE",
        "counter-done counter node-a true CheckpointCompleted 1048576 pcpc-3b5a7c1e-0d52-4c8e-9a3e-6f0b1d2c3e4f "
        + "20261121t003412z-7f3a9c the checkpoint is whole AGE")]
    [TestCase(
        "ccp",
        "NAME POD CONTAINER READY REASON SIZE CONTENT ARTIFACT MESSAGE AGE",
        "counter-done counter counter true CheckpointCompleted 1048576 ccpc-3b5a7c1e-0d52-4c8e-9a3e-6f0b1d2c3e4f "
        + "shared://3b5a7c1e-0d52-4c8e-9a3e-6f0b1d2c3e4f/20261121t003412z-7f3a9c/counter/dump.tar.zst the artifact "
        + "is whole AGE")]
    [TestCase(
        "pcpc",
        "NAME NAMESPACE CHECKPOINT READY POLICY SIZE POD NODE ARTIFACT AGE",
        "counter-done default counter true Delete 1048576 counter node-a "
        + "shared://3b5a7c1e-0d52-4c8e-9a3e-6f0b1d2c3e4f/20261121t003412z-7f3a9c AGE")]
    [TestCase(
        "ccpc",
        "NAME NAMESPACE CHECKPOINT READY POLICY SIZE CONTAINER NODE IMAGE CRIU ARTIFACT AGE",
        "counter-done default counter-counter true Delete 1048576 counter node-a docker.io/library/busybox:1.37 4.2 "
        + "shared://3b5a7c1e-0d52-4c8e-9a3e-6f0b1d2c3e4f/20261121t003412z-7f3a9c/counter/dump.tar.zst AGE")]
    [TestCase(
        "cpn",
        "NAME READY REASON AGENT RUNTIME CRIU KERNEL ARCH CPU VOLUME VOLUME-FREE STAGING-FREE MESSAGE AGE",
        "node-a True Succeeded 1.0.0 crun 1.28 4.2.1 6.12.4-amd64 amd64 AuthenticAMD "
        + "3b5a7c1e-0d52-4c8e-9a3e-6f0b1d2c3e4f 920000000000 41000000000 "
        + "pods can be moved away from this node, and to it AGE",
        "node-a")]
    public async Task Says_more_when_asked(string kind, string header, string row, string name = "counter-done") =>
        (await TableAsync("get", kind, name, "-o", "wide")).Should().Equal(header, row);

    [TestCase("condition=Ready", "pmig/counter-done", true)]
    [TestCase("condition=Ready", "pcp/counter-done", true)]
    [TestCase("condition=Ready", "ccp/counter-done", true)]
    [TestCase("condition=Ready", "pcpc/counter-done", true)]
    [TestCase("condition=Bound", "ccpc/counter-done", true)]
    [TestCase("condition=Ready", "checkpointnode/node-a", true)]
    [TestCase("condition=Ready", "checkpointnode/node-silent", false)]
    [TestCase("condition=Ready=false", "pcp/counter-done", false)]
    [TestCase("jsonpath={.status.phase}=Completed", "pmig/counter-done", true)]
    [TestCase("jsonpath={.status.outcome}=RolledBack", "pmig/counter-done", false)]
    [TestCase("jsonpath={.status.ready}=true", "pcpc/counter-done", true)]
    [TestCase("jsonpath={.status.ready}=true", "ccpc/counter-done", true)]
    public async Task Waits(string what, string about, bool comes)
    {
        // What does not come is waited for in vain, however long; what is there may take the server its time to tell.
        var (code, output) = await _cluster.KubectlAsync(
            null, "wait", "--for=" + what, about, comes ? "--timeout=180s" : "--timeout=1s");

        (code == 0).Should().Be(comes, output);
        if (!comes)
        {
            output.Should().Contain("timed out waiting", "the object is there, and not so");
        }
    }

    [Test]
    public async Task Describes_a_migration_readably()
    {
        var (_, output) = await _cluster.KubectlAsync(null, "describe", "pmig", "counter-done");

        string.Join('\n', output.Split('\n').Select(line => Spaces().Replace(line.Trim(), " "))).Should().ContainAll(
            "Pod Name: counter\n", "Target Node: node-b\n", "Downtime Milliseconds: 247\n", "Outcome: Restored\n",
            "Message: CRIU took 41 ms\n", "Name: Restore\n", "Reason: Succeeded\n", "Type: Ready\n");
    }

    [TestCaseSource(typeof(Kinds), nameof(Kinds.All))]
    public async Task Explains_every_field(Type kind)
    {
        var entity = Kinds.Entity(kind);
        var fields = Fields(new SchemaBuilder(Documentation.OfApi()).Root(kind), entity.PluralName).ToList();
        var mute = new System.Collections.Concurrent.ConcurrentBag<string>();

        await Parallel.ForEachAsync(
            fields, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (field, _) =>
            {
                var (code, output) = await _cluster.KubectlAsync(null, "explain", field);
                var name = field.Split('.')[^1];
                var text = output.Split("DESCRIPTION:")[^1].Trim();
                if (code != 0 || !text.StartsWith(name, StringComparison.Ordinal) || text.Length < name.Length + 10)
                {
                    mute.Add($"{field}: {output}");
                }
            });

        fields.Should().HaveCountGreaterThan(15);
        mute.Should().BeEmpty();
    }

    [TestCase("pmig", "moves a running pod", "RestoreVerified")]
    [TestCase("pmig.spec.tcpPolicy", "Close: they are closed", "Absent: Close.")]
    [TestCase("pmig.status.steps", "in the order in which they began")]
    [TestCase("pcp.status.checkpointID", "Chosen once, before anything is written")]
    [TestCase("ccpc.spec.artifactURI", "shared://podUID/checkpointID/container/dump.tar.zst")]
    public async Task Explains(string field, params string[] texts) =>
        Spaces().Replace((await _cluster.KubectlAsync(null, "explain", field)).Output, " ").Should().ContainAll(texts);

    /// <summary>The paths of all fields that are ours, as kubectl explain takes them.</summary>
    private static IEnumerable<string> Fields(Dictionary<string, object> schema, string path)
    {
        var properties = schema.GetValueOrDefault("properties")
            ?? (schema.GetValueOrDefault("items") as Dictionary<string, object>)?.GetValueOrDefault("properties");
        foreach (var (name, value) in properties as Dictionary<string, object> ?? [])
        {
            if (name is "apiVersion" or "kind" or "metadata")
            {
                continue;
            }

            yield return $"{path}.{name}";
            foreach (var below in Fields((Dictionary<string, object>)value, $"{path}.{name}"))
            {
                yield return below;
            }
        }
    }

    // Columns are padded to the widest entry, and the age changes while one looks.
    private async Task<string[]> TableAsync(params string[] arguments)
    {
        var (_, output) = await _cluster.KubectlAsync(null, arguments);
        return [.. output.Trim().Split('\n').Select(line => Age().Replace(Spaces().Replace(line, " ").Trim(), " AGE"))];
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();

    [GeneratedRegex(@" ([0-9]+[ms])+$")]
    private static partial Regex Age();
}
