using System.Diagnostics;
using System.Text.RegularExpressions;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Component.Api;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Retention;
using PodCheckpointing.Storage.Tool;

namespace PodCheckpointing.Component.Deploy;

/// <summary>What README.md tells a user to type, write and read exists. That it works, the tests of each part show.</summary>
[TestFixture]
public sealed partial class ReadmeTests
{
    private static readonly string Text = File.ReadAllText(Path.Combine(Manifests.Root, "README.md"));

    private static readonly string[] Code =
        [.. Fence().Matches(Text).Select(m => m.Groups[2].Value), .. Span().Matches(Fence().Replace(Text, "")).Select(m => m.Groups[1].Value)];

    [Test]
    public async Task Its_objects_are_taken_and_shown_as_it_says()
    {
        using var server = await ControlPlane.StartAsync(TestContext.CurrentContext.CancellationToken);
        await SayAsync(server, null, "apply", "-k", Samples.Definitions);
        await SayAsync(server, null, "wait", "crd", "--all", "--for=condition=Established", "--timeout=60s");
        var objects = Fence().Matches(Text).Where(m => m.Groups[1].Value == "yaml").Select(m => m.Groups[2].Value
            .Replace("<status.podUID>", "3b5a7c1e-0d52-4c8e-9a3e-6f0b1d2c3e4f", StringComparison.Ordinal)
            .Replace("<status.checkpointID>", "20261121t003412z-7f3a9c", StringComparison.Ordinal)).ToList();

        objects.Should().HaveCountGreaterThan(1);
        foreach (var text in objects)
        {
            await SayAsync(server, text, "apply", "--validate=strict", "-f", "-");
        }

        var table = Fence().Matches(Text).Select(m => m.Groups[2].Value).Single(t => t.StartsWith("NAME ", StringComparison.Ordinal)).Split('\n');
        var shown = (await SayAsync(server, null, "get", "podmigrations")).Split('\n');
        Words(shown[0]).Should().Equal(Words(table[0]));
        Words(shown[1])[..2].Should().Equal(Words(table[1])[..2]);
    }

    [Test]
    public void Its_targets_of_make_exist()
    {
        var makefile = File.ReadAllText(Path.Combine(Manifests.Root, "Makefile"));
        var named = Code.SelectMany(c => MakeTarget().Matches(c)).Select(m => m.Groups[1].Value).Distinct().ToList();

        named.Should().Contain(["demo", "test", "plugins", "images", "simulate"])
            .And.OnlyContain(target => Regex.IsMatch(makefile, $"^{target}:", RegexOptions.Multiline));
    }

    [Test]
    public void Its_files_and_folders_exist()
    {
        var named = Code.SelectMany(Words)
            .Where(w => Path_().IsMatch(w) && !w.StartsWith("lpm.my.domain/", StringComparison.Ordinal)).Distinct().ToList();

        named.Should().Contain(["config/default", "config/certificates.sh", "test/README.md"]).And.OnlyContain(p => Path.Exists(Path.Combine(Manifests.Root, p)));
    }

    [Test]
    public void Its_plug_in_commands_exist()
    {
        var named = Code.SelectMany(c => PlugIn().Matches(c)).Select(m => m.Groups[1].Value).Distinct().ToList();

        named.Should().Contain(["create podmigration", "podmigration check", "podmigration restore", "podmigration explain"]);
        foreach (var command in named)
        {
            // kubectl itself puts the words together, and takes the longest name that it finds.
            var words = command.Split(' ');
            var said = words[0] == "create" ? Plugin($"kubectl-create-{words[1]}", "--help") : Plugin("kubectl-podmigration", words[1], "--help");
            said.Code.Should().Be(0, said.Output);
            said.Output.Should().Contain($"kubectl {command}");
        }
    }

    [Test]
    public async Task Its_commands_of_the_stores_tool_exist()
    {
        var named = Code.SelectMany(c => StoreVerbs().Matches(c)).SelectMany(m => m.Groups[1].Value.Split('|')).ToList();
        var usage = new StringWriter();
        await new StoreCommand(usage, usage, TimeProvider.System).RunAsync(["--help"], CancellationToken.None);

        named.Should().HaveCountGreaterThan(5).And.OnlyContain(verb => Regex.IsMatch(usage.ToString(), $@"\b{verb}\b"));
    }

    [Test]
    public void Its_reasons_are_the_products()
    {
        var known = typeof(Reasons).GetFields().Where(f => f.IsLiteral).Select(f => (string)f.GetRawConstantValue()!).ToList();
        var named = Text.Split('\n').SkipWhile(l => !l.StartsWith("| reason |", StringComparison.Ordinal)).Skip(2)
            .TakeWhile(l => l.StartsWith('|')).SelectMany(l => l.Split('|')[1].Split(',')).Select(w => w.Trim()).ToList();

        named.Should().HaveCountGreaterThan(8).And.BeSubsetOf(known);
    }

    [Test]
    public void Its_settings_are_the_operators()
    {
        var named = Code.Where(c => c.StartsWith("Max", StringComparison.Ordinal) || c is "DryRun" or "Orphans").ToList();

        named.Should().HaveCountGreaterThan(5).And.BeSubsetOf(typeof(RetentionOptions).GetProperties().Select(p => p.Name));
        typeof(OperatorOptions).GetProperties().Select(p => p.Name).Should().Contain(
            Code.SelectMany(c => Setting().Matches(c)).Select(m => m.Groups[1].Value).Should().NotBeEmpty().And.Subject);
    }

    private static async Task<string> SayAsync(ControlPlane server, string? input, params string[] arguments)
    {
        var (code, output) = await server.KubectlAsync(input, arguments);
        code.Should().Be(0, "kubectl {0} {1} said {2}", string.Join(' ', arguments), input, output);
        return output;
    }

    private static (int Code, string Output) Plugin(string name, params string[] arguments)
    {
        var folder = Directory.CreateTempSubdirectory("pod-checkpointing-readme");
        try
        {
            var program = Path.Combine(folder.FullName, name);
            File.CreateSymbolicLink(program, Path.Combine(AppContext.BaseDirectory, "kubectl-podmigration"));
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, output);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string[] Words(string line) => line.Split([' ', '\n', '|', ',', '"'], StringSplitOptions.RemoveEmptyEntries);

    [GeneratedRegex("```([a-z]*)\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Span();

    [GeneratedRegex(@"\bmake ([a-z-]+)")]
    private static partial Regex MakeTarget();

    [GeneratedRegex(@"^[a-zA-Z]\w*(/[\w.-]*)+$")]
    private static partial Regex Path_();

    [GeneratedRegex("kubectl (podmigration [a-z]+|create pod[a-z]+)")]
    private static partial Regex PlugIn();

    [GeneratedRegex(@"storage/Tool -- ([a-z|]+)")]
    private static partial Regex StoreVerbs();

    [GeneratedRegex(@"\bOperator:(\w+)")]
    private static partial Regex Setting();
}
