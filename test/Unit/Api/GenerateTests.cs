using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Generate;

namespace PodCheckpointing.Unit.Api;

public sealed class GenerateTests
{
    private static readonly string Root = Repository.Root(AppContext.BaseDirectory);

    [TestCase("crd")]
    [TestCase("reference")]
    public void The_committed_files_are_what_the_types_say(string folder) =>
        GeneratedFolder.All(Root)
            .Single(generated => generated.Name == folder)
            .Stale(Path.Combine(Root, "config", folder))
            .Should().BeEmpty("dotnet run --project config/Generate writes them");

    [Test]
    public void The_list_beside_the_definitions_names_every_one()
    {
        var list = File.ReadAllText(Path.Combine(Root, "config", "crd", "kustomization.yaml"));

        CrdFolder.Make().Files.Keys.Should().OnlyContain(name => list.Contains(name));
    }

    [Test]
    public void Finds_what_differs_and_mends_it()
    {
        var folder = Directory.CreateTempSubdirectory("crd").FullName;
        var definitions = CrdFolder.Make();
        try
        {
            definitions.Write(folder);
            definitions.Stale(folder).Should().BeEmpty();

            File.AppendAllText(Path.Combine(folder, "lpm.my.domain_podmigrations.yaml"), "# by hand\n");
            File.WriteAllText(Path.Combine(folder, "lpm.my.domain_gone.yaml"), "");
            File.WriteAllText(Path.Combine(folder, "kustomization.yaml"), "");
            definitions.Stale(folder)
                .Should().BeEquivalentTo("lpm.my.domain_podmigrations.yaml", "lpm.my.domain_gone.yaml");

            definitions.Write(folder);
            definitions.Stale(folder).Should().BeEmpty();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestCaseSource(typeof(Kinds), nameof(Kinds.All))]
    public void A_page_has_every_field_rule_and_sample(Type kind)
    {
        var schema = new SchemaBuilder(Documentation.OfApi()).Root(kind);

        var page = new KindPage(kind, Documentation.OfApi(), Path.Combine(Root, "config", "samples")).Text;

        page.Should().ContainAll(Values(schema, "properties")
            .SelectMany(properties => ((Dictionary<string, object>)properties).Keys)
            .Except(["apiVersion", "kind", "metadata", "spec", "status"]).Select(field => $".{field}"));
        page.Should().ContainAll(
            Samples("valid", kind).Concat(Samples("invalid", kind)).Select(file => Path.GetFileName(file)));
        page.Split('\n')
            .Should().OnlyContain(line => !line.StartsWith('|') || line.EndsWith(" |", StringComparison.Ordinal));
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
    public void Every_rule_has_a_refused_sample(Type kind)
    {
        var refused = Samples("invalid", kind).Select(file => File.ReadLines(file).First()).ToList();

        var messages = Values(new SchemaBuilder(Documentation.OfApi()).Root(kind), "x-kubernetes-validations")
            .SelectMany(rules => ((List<Dictionary<string, object>>)rules).Select(rule => (string)rule["message"]))
            .ToList();

        messages.Should().NotBeEmpty()
            .And.OnlyContain(message => refused.Any(line => line.EndsWith(message, StringComparison.Ordinal)));
    }

    [TestCaseSource(typeof(Kinds), nameof(Kinds.All))]
    public void Every_field_of_a_kind_stands_in_an_accepted_sample(Type kind)
    {
        var lines = Samples("valid", kind)
            .SelectMany(File.ReadLines)
            .Select(line => line.TrimStart(' ', '-').Split(':')[0])
            .ToHashSet();

        var fields = Values(new SchemaBuilder(Documentation.OfApi()).Root(kind), "properties")
            .SelectMany(properties => ((Dictionary<string, object>)properties).Keys);

        // One that a rule forbids, and one that counts the changes of a spec.
        fields.Where(field => (kind.Name, field)
            is not ((nameof(PodCheckpointContent), "containerName") or (nameof(CheckpointNode), "observedGeneration")))
            .Should().OnlyContain(field => lines.Contains(field));
    }

    private static IEnumerable<string> Samples(string folder, Type kind) => Directory.EnumerateFiles(
            Path.Combine(Root, "config", "samples", folder), "*.yaml")
        .Where(file => Path.GetFileName(file).Split('-', '.')[0].Equals(kind.Name, StringComparison.OrdinalIgnoreCase));

    /// <summary>What stands under a key, anywhere in a schema.</summary>
    private static IEnumerable<object> Values(object node, string key) => node switch
    {
        Dictionary<string, object> map => map.SelectMany(pair =>
            pair.Key == key ? [pair.Value, .. Values(pair.Value, key)] : Values(pair.Value, key)),
        _ => [],
    };
}
