using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Generate;

namespace PodCheckpointing.Unit.Api;

public sealed class GenerateTests
{
    [Test]
    public void The_committed_definitions_are_what_the_types_say() =>
        CrdFolder.Stale(Path.Combine(Repository.Root(AppContext.BaseDirectory), "config", "crd"))
            .Should().BeEmpty("dotnet run --project config/Generate writes them");

    [Test]
    public void The_list_beside_them_names_every_one()
    {
        var list = File.ReadAllText(Path.Combine(
            Repository.Root(AppContext.BaseDirectory), "config", "crd", "kustomization.yaml"));

        CrdFolder.Files().Keys.Should().OnlyContain(name => list.Contains(name));
    }

    [Test]
    public void Finds_what_differs_and_mends_it()
    {
        var folder = Directory.CreateTempSubdirectory("crd").FullName;
        try
        {
            CrdFolder.Write(folder);
            CrdFolder.Stale(folder).Should().BeEmpty();

            File.AppendAllText(Path.Combine(folder, "lpm.my.domain_podmigrations.yaml"), "# by hand\n");
            File.WriteAllText(Path.Combine(folder, "lpm.my.domain_gone.yaml"), "");
            CrdFolder.Stale(folder).Should().BeEquivalentTo("lpm.my.domain_podmigrations.yaml", "lpm.my.domain_gone.yaml");

            CrdFolder.Write(folder);
            CrdFolder.Stale(folder).Should().BeEmpty();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void An_immutable_field_may_neither_change_nor_come_nor_go()
    {
        var targetNode = typeof(PodMigrationSpec).GetProperty(nameof(PodMigrationSpec.TargetNode))!;

        Rules.OfField(targetNode).Should().BeEmpty();
        Rules.OfParent(targetNode).Should().ContainSingle().Which["rule"].Should().Be(
            "has(self.targetNode) == has(oldSelf.targetNode) && "
            + "(!has(self.targetNode) || self.targetNode == oldSelf.targetNode)");
    }

    [Test]
    public void A_required_immutable_field_needs_no_more_than_one_comparison()
    {
        var podName = typeof(PodMigrationSpec).GetProperty(nameof(PodMigrationSpec.PodName))!;

        Rules.OfParent(podName).Should().BeEmpty();
        Rules.OfField(podName).Should().ContainSingle().Which["message"].Should().Be("podName is immutable");
    }

    [Test]
    public void Says_where_to_start_outside_the_repository()
    {
        var act = () => Repository.Root("/");

        act.Should().Throw<DirectoryNotFoundException>().WithMessage("*start in the repository");
    }

    [TestCaseSource(typeof(Kinds), nameof(Kinds.All))]
    public void Every_rule_of_a_spec_has_a_refused_sample(Type kind)
    {
        var folder = Path.Combine(Repository.Root(AppContext.BaseDirectory), "config", "samples", "invalid");
        var refused = Directory.EnumerateFiles(folder, $"{kind.Name.ToLowerInvariant()}-*.yaml")
            .Select(file => File.ReadLines(file).First())
            .ToList();
        var schema = new SchemaBuilder(Documentation.OfApi()).Root(kind);
        var spec = ((Dictionary<string, object>)schema["properties"])["spec"];

        var messages = Messages(spec).ToList();

        messages.Should().NotBeEmpty().And.OnlyContain(message => refused.Any(line => line.EndsWith(message)));
    }

    private static IEnumerable<string> Messages(object node) => node switch
    {
        Dictionary<string, object> map => map.SelectMany(pair => pair.Key == "x-kubernetes-validations"
            ? ((List<Dictionary<string, object>>)pair.Value).Select(rule => (string)rule["message"])
            : Messages(pair.Value)),
        _ => [],
    };
}
