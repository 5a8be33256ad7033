using System.Reflection;
using System.Text.Json;
using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Generate;

namespace PodCheckpointing.Unit.Api;

public sealed class KindsTests
{
    [Test]
    public void There_are_six_kinds() => Kinds.All.Should().BeEquivalentTo(
        [
            typeof(PodMigration), typeof(PodCheckpoint), typeof(ContainerCheckpoint), typeof(PodCheckpointContent),
            typeof(ContainerCheckpointContent), typeof(CheckpointNode),
        ]);

    [TestCaseSource(typeof(Kinds), nameof(Kinds.All))]
    public void Kinds_are_found_together_and_not_among_all_that_kubectl_deletes(Type kind) =>
        kind.GetCustomAttribute<CalledAttribute>()!.Categories.Should().Equal("lpm");

    [TestCaseSource(typeof(Kinds), nameof(Kinds.All))]
    public void New_objects_say_what_they_are(Type kind)
    {
        var item = (IKubernetesObject<V1ObjectMeta>)Activator.CreateInstance(kind)!;

        item.ApiVersion.Should().Be("lpm.my.domain/v1");
        item.Kind.Should().Be(kind.Name);
        Kinds.Entity(kind).PluralName.Should().Be(kind.Name.ToLowerInvariant() + "s");
    }

    [Test]
    public void Names_go_over_the_wire_as_the_design_writes_them()
    {
        var json = JsonSerializer.SerializeToElement(
            new PodMigration
            {
                Metadata = new() { Name = "m", NamespaceProperty = "shop" },
                Spec = new() { PodName = "web", PodUID = "a1", TargetNode = "node-b", TimeoutSeconds = 60 },
                Status = new() { PodUID = "a1", DowntimeMilliseconds = 250, RestoredPodUID = "b2" },
            },
            KubernetesJson.Options);

        json.GetProperty("metadata").GetProperty("namespace").GetString().Should().Be("shop");
        json.GetProperty("spec").EnumerateObject().Select(p => p.Name)
            .Should().BeEquivalentTo("podName", "podUID", "targetNode", "timeoutSeconds");
        json.GetProperty("status").EnumerateObject().Select(p => p.Name)
            .Should().BeEquivalentTo("podUID", "downtimeMilliseconds", "restoredPodUID");
    }

    [Test]
    public void Old_objects_without_a_field_can_be_read()
    {
        var migration = KubernetesJson.Deserialize<PodMigration>("""{"metadata":{"name":"m"},"status":{"future":1}}""");

        migration.Spec.PodName.Should().BeEmpty();
        migration.Status!.Phase.Should().BeNull();
    }

    [Test]
    public void Words_are_written_as_their_constants_are_named()
    {
        var words = new[]
            {
                typeof(MigrationPhases), typeof(Outcomes), typeof(TcpPolicies), typeof(OnFailurePolicies),
                typeof(DeletionPolicies), typeof(ConditionTypes), typeof(Reasons),
            }
            .SelectMany(type => type.GetFields(BindingFlags.Public | BindingFlags.Static));

        words.Should().OnlyContain(field => (string)field.GetRawConstantValue()! == field.Name);
    }
}
