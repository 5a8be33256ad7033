using System.Collections;
using System.Reflection;
using System.Text.RegularExpressions;
using FluentAssertions;
using Microsoft.Extensions.Configuration;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Generate;
using PodCheckpointing.Manager;

namespace PodCheckpointing.Unit.Api;

/// <summary>Whoever may not misspell a setting must be able to read how it is spelt.</summary>
public sealed partial class SettingsPageTests
{
    private static readonly string[] Samples = ["1", "00:01:00", "true", "Delete"];

    private static readonly string Page = SettingsPage.Text();

    private static readonly List<string> Variables = [.. Variable().Matches(Page).Select(
        match => match.Groups[1].Value)];

    [TestCase(typeof(OperatorOptions), OperatorOptions.Section)]
    [TestCase(typeof(AgentOptions), AgentOptions.Section)]
    public void Has_every_setting_that_a_program_takes_and_no_other(Type options, string section)
    {
        ArgumentNullException.ThrowIfNull(options);

        Variables.Where(variable => variable.StartsWith($"{section}__", StringComparison.Ordinal))
            .Should().BeEquivalentTo(Leaves(options, section));
    }

    [TestCaseSource(nameof(Variables))]
    public void What_it_names_is_known_to_its_program(string variable)
    {
        var key = variable.Replace("__", ":", StringComparison.Ordinal);

        Samples.Should().Contain(value => Binds(key, value), "{0} takes one of them", key);
    }

    [TestCase("Operator__Retention__Orphans", "`Report` or `Delete`", "`Report`")]
    [TestCase("Operator__Migrations__ParallelPerCluster", "number, 1 to 10000", "`5`")]
    [TestCase("Operator__Migrations__TtlSecondsAfterFinished", "seconds, 0 or more", "not set")]
    [TestCase("Operator__BytesPatience", "time, `[d.]hh:mm:ss`, 00:00:00 to 36500.00:00:00", "`01:00:00`")]
    [TestCase("Operator__TlsKey", "text", "none: it must be set")]
    [TestCase("Operator__LeaderElection", "`true` or `false`", "`true`")]
    [TestCase("Agent__LazyRestoreBytes", "bytes", "`67108864`")]
    [TestCase("Agent__Images__NodeCommand__0", "texts, each with its own number: `__0`, `__1`", "not set")]
    public void Says_what_a_value_is_and_what_holds_without_one(string variable, string value, string otherwise) =>
        Page.Should().MatchRegex(
            $@"\n\| `{variable}` \| {Regex.Escape(value)} \| {Regex.Escape(otherwise)} \| [A-Z].*\. \|\n");

    private static bool Binds(string key, string value)
    {
        var configuration =
            new ConfigurationBuilder().AddInMemoryCollection([KeyValuePair.Create(key, (string?)value)]).Build();
        try
        {
            var section = key.Split(':')[0];
            object? bound = section == OperatorOptions.Section
                ? configuration.GetSection(section)
                    .Get<OperatorOptions>(binder => binder.ErrorOnUnknownConfiguration = true)
                : configuration.GetSection(section)
                    .Get<AgentOptions>(binder => binder.ErrorOnUnknownConfiguration = true);
            return bound is not null;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static IEnumerable<string> Leaves(Type options, string prefix) =>
        options.GetProperties().SelectMany(property => property switch
        {
            { PropertyType: { IsClass: true } inner } when inner.Assembly == options.Assembly =>
                Leaves(inner, $"{prefix}__{property.Name}"),
            { CanWrite: true } => [$"{prefix}__{property.Name}"],
            { PropertyType: var list } when list != typeof(string)
                && list.IsAssignableTo(typeof(IEnumerable)) => [$"{prefix}__{property.Name}__0"],
            _ => Array.Empty<string>(),
        });

    [GeneratedRegex(@"^\| `(\w+)` \|", RegexOptions.Multiline)]
    private static partial Regex Variable();
}
