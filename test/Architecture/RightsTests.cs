using System.Text.RegularExpressions;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Architecture;

/// <summary>What the operator asks the API server for, beside what its role grants: some calls are made so seldom that
/// no cluster of a test sees them.</summary>
public sealed partial class RightsTests
{
    [Test]
    public void The_operators_role_grants_every_read_that_its_sources_make()
    {
        var granted = Granted();

        var needed = Calls().ToList();
        needed.Should().HaveCountGreaterThan(20).And.Contain(("get", "services"));
        needed.Where(right => !granted.Contains(right)).Distinct().Should().BeEmpty();
    }

    [Test]
    public void What_may_be_created_may_be_read_for_it_may_be_there_already() =>
        Granted().Where(right => right.Verb == "create" && right.Resource != "events")
            .Select(right => ("get", right.Resource))
            .Except(Granted()).Should().BeEmpty();

    private static IEnumerable<(string Verb, string Resource)> Calls() =>
        from file in RepositoryFiles.All
        where file.StartsWith("controllers/Manager/", StringComparison.Ordinal)
            && file.EndsWith(".cs", StringComparison.Ordinal)
        from Match call in Call().Matches(RepositoryFiles.Read(file))
        // Type parameters begin with T and another capital.
        where !TypeParameter().IsMatch(call.Groups[2].Value)
        let resource = Prefix().Replace(call.Groups[2].Value, "").ToLowerInvariant() + "s"
        from verb in call.Groups[1].Value switch { "ReadAsync" =>
            new[] { "get" }, "ListAsync" => ["list"], _ => ["list", "watch"] }
        select (verb, resource);

    private static HashSet<(string Verb, string Resource)> Granted() =>
        [
            .. from Match rule in Rule().Matches(RepositoryFiles.Read("config/rbac/operator.yaml"))
               from resource in Words(rule.Groups[1].Value)
               from verb in Words(rule.Groups[2].Value)
               select (verb, resource),
        ];

    private static IEnumerable<string> Words(string list) => Word().Matches(list).Select(word => word.Value);

    [GeneratedRegex(@"\b[cC]luster\.(ReadAsync|ListAsync|Find|All)<(\w+)>")]
    private static partial Regex Call();

    [GeneratedRegex(@"^T([A-Z]|$)")]
    private static partial Regex TypeParameter();

    [GeneratedRegex("^V1")]
    private static partial Regex Prefix();

    [GeneratedRegex(@"resources:\s*(\[[^\]]*\]|(?:\n\s+- \S+)+)\s*\n\s*verbs: \[([^\]]*)\]")]
    private static partial Regex Rule();

    [GeneratedRegex(@"[a-z][a-z/]*")]
    private static partial Regex Word();
}
