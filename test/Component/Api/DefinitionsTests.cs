using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Component.Api;

/// <summary>The definitions on a real API server.</summary>
public sealed class DefinitionsTests
{
    private readonly ControlPlane _cluster = ApiCluster.Server;

    [TestCaseSource(typeof(Samples), nameof(Samples.Valid))]
    public Task Accepts(string[] documents) => ApiCluster.AcceptAsync(documents);

    [TestCaseSource(typeof(Samples), nameof(Samples.Invalid))]
    public async Task Refuses(string[] documents, string error)
    {
        await Accepts(documents[..^1]);

        var (code, output) = await ApiCluster.ApplyAsync(documents[^1]);

        code.Should().NotBe(0);
        output.Should().Contain(error);
    }

    [Test]
    public async Task Accepts_the_demo()
    {
        foreach (var name in new[] { "counter.yaml", "podmigration.yaml" })
        {
            var (code, output) = await _cluster.KubectlAsync(
                Samples.Demo(name), "apply", "-f", "-", "--dry-run=server", "--validate=strict");
            code.Should().Be(0, output);
        }
    }

    [Test]
    public async Task Renders_what_is_installed()
    {
        var (code, output) =
            await _cluster.KubectlAsync(null, "kustomize", Path.Combine(Samples.Definitions, "..", "default"));

        code.Should().Be(0, output);
        output.Split('\n').Where(line => line.StartsWith("kind: ", StringComparison.Ordinal)).Select(line => line[6..])
            .Distinct().Should().BeEquivalentTo(
                "Namespace", "CustomResourceDefinition", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role",
                "RoleBinding", "Deployment", "DaemonSet", "RuntimeClass", "StorageClass", "PersistentVolume",
                "PersistentVolumeClaim", "PodDisruptionBudget", "ValidatingAdmissionPolicy",
                "ValidatingAdmissionPolicyBinding");
    }

    [Test]
    public async Task Lets_a_checkpoint_id_be_chosen_only_once()
    {
        await Accepts(
            ["{apiVersion: lpm.my.domain/v1, kind: PodCheckpoint, metadata: {name: once}, spec: {podName: web}}"]);

        (await PatchStatusAsync("""{"status":{"checkpointID":"20261121t003412z-aaaaaa"}}""")).Code.Should().Be(0);
        (await PatchStatusAsync("""{"status":{"ready":false}}""")).Code.Should().Be(0);
        (await PatchStatusAsync("""{"status":{"checkpointID":"20261121t003412z-bbbbbb"}}""")).Output
            .Should().Contain("checkpointID is immutable once set");
        (await PatchStatusAsync("""{"status":{"checkpointID":null}}""")).Output
            .Should().Contain("checkpointID is immutable once set");
    }

    [Test]
    public async Task Keeps_the_status_from_those_who_may_only_write_the_object()
    {
        await Accepts(
        [
            "{apiVersion: lpm.my.domain/v1, kind: PodMigration, metadata: {name: forged}, spec: {podName: web}, "
            + "status: {phase: Completed}}",
        ]);

        (await _cluster.KubectlAsync(null, "get", "pmig", "forged", "-o", "jsonpath={.status}")).Output
            .Should().BeEmpty();
    }

    [TestCase("lpm", 6)]
    [TestCase("all", 0, Description = "kubectl delete all --all takes no snapshot away")]
    public async Task Belongs_to_the_category(string category, int kinds)
    {
        var (_, output) = await _cluster.KubectlAsync(
            null, "api-resources", "--api-group", "lpm.my.domain", "--categories", category, "-o", "name");

        output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().HaveCount(kinds);
    }

    [Test]
    public async Task Keeps_every_field_that_the_types_know()
    {
        using var client =
            new Kubernetes(KubernetesClientConfiguration.BuildConfigFromConfigFile(_cluster.Kubeconfig, null));
        var created = await client.CreateAsync(
            new PodMigration
            {
                Metadata = new() { Name = "typed", NamespaceProperty = "default" },
                Spec = new() { PodName = "web", TargetNode = "node-b", TcpPolicy = TcpPolicies.Close, Abort = false },
            },
            CancellationToken.None);
        var now = new DateTime(2026, 11, 21, 12, 0, 0, 123, DateTimeKind.Utc);
        var status = new PodMigrationStatus
        {
            Phase = MigrationPhases.Restoring,
            PodUID = "a1",
            DowntimeMilliseconds = 250,
            StartTime = now,
            Conditions = ((IList<V1Condition>?)null).With(
                ConditionTypes.Ready, "False", Reasons.Pending, "soon", 1, now),
            Steps = [new() { Name = "Validate", StartedAt = now, FinishedAt = now.AddTicks(12345), Message = "fits" }],
        };

        await client.ReplaceAsync(created with { Status = status }, "status", CancellationToken.None);
        var read = await client.GetAsync<PodMigration>("default", "typed", CancellationToken.None);

        read.Spec.Should().Be(created.Spec);
        read.Status.Should().BeEquivalentTo(status);
    }

    private Task<(int Code, string Output)> PatchStatusAsync(string patch) =>
        _cluster.KubectlAsync(null, "patch", "pcp", "once", "--subresource=status", "--type=merge", "-p", patch);
}
