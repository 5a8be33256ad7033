using System.Diagnostics;
using System.Text.RegularExpressions;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Component.Api;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Retention;
using PodCheckpointing.Storage.Tool;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Deploy;

/// <summary>What README.md tells a user to type is run by a test; what it tells to write and read exists.</summary>
[TestFixture]
public sealed partial class ReadmeTests
{
    private const string Walk = "test/EndToEnd/ReadmeWalkTests.cs";

    /// <summary>Every block of commands, by its first words: the test that runs it, or why none can and what
    /// looks at it here instead.</summary>
    private static readonly Dictionary<string, string> Commands = new()
    {
        // Both take minutes; CI runs them as they stand.
        ["make demo"] = ".ci/run",
        ["test/LocalCluster/cluster.sh up"] = Walk,
        // Minutes again: `make test` makes the plug-ins, and the walk's cluster the images, by
        // the programs that these targets run.
        ["make images plugins"] = nameof(Its_images_and_plug_ins_are_made_by_what_the_tests_use),
        ["mkdir -p my-cluster"] = Walk,
        // No helm binary can be had here: Debian packages none, nor is it built of Go modules without their proxy.
        ["helm install"] = nameof(Its_chart_is_rendered_with_its_values),
        ["kubectl -n pod-checkpointing-system rollout status"] = Walk,
        ["kubectl apply -f config/samples/demo/counter.yaml"] = Walk,
        ["pod="] = Walk,
        ["kubectl podmigration list"] = Walk,
        ["kubectl create podmigration counter-back"] = Walk,
        ["kubectl create podcheckpoint"] = Walk,
        ["kubectl podmigration drain"] = Walk,
        ["dotnet run"] = Walk,
        ["kubectl delete podmigrations"] = Walk,
        ["kubectl delete -k"] = Walk,
        ["helm uninstall"] = nameof(Its_chart_leaves_nothing_behind),
        ["kubectl get pods -A"] = Walk,
        ["kubectl delete runtimeclass"] = Walk,
    };

    private static readonly string[] Code =
        [.. Readme.Blocks.Select(b => b.Text), .. Span().Matches(Readme.Prose).Select(m => m.Groups[1].Value)];

    [Test]
    public void Each_of_its_blocks_of_commands_is_run_by_a_test()
    {
        var blocks = Readme.Blocks.Where(b => b.IsCommands).Select(b => b.Text).ToList();

        blocks.Should().HaveSameCount(Commands).And.OnlyContain(text => Commands.Keys.Count(text.StartsWith) == 1);
        Readme.Blocks.Where(b => !b.IsCommands).Should().OnlyContain(
            b => b.Language == "yaml" || b.Language == "mermaid" || b.Text.StartsWith("NAME "),
            "a block of commands is marked as such");
        foreach (var (beginning, where) in Commands.Where(c => c.Value == Walk))
        {
            File.ReadAllText(Path.Combine(Manifests.Root, where))
                .Should().MatchRegex($"\\(\\s*\"{Regex.Escape(beginning)}\"");
        }
    }

    [Test]
    public void Its_two_commands_are_what_CI_runs()
    {
        var run = File.ReadAllText(Path.Combine(Manifests.Root, Commands["make demo"])).Split('\n');

        var goals = Readme.Commands("make demo")
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(l => l.Split('#')[0].Trim())
            .Should().HaveCount(2).And.OnlyContain(l => l.StartsWith("make ")).And.Subject.Select(
                l => l["make ".Length..]);
        run.Should().Contain($"make {string.Join(' ', goals)}", "one make builds once what both want");
    }

    [Test]
    public void Its_images_and_plug_ins_are_made_by_what_the_tests_use()
    {
        var command = Readme.Commands("make images plugins").Trim().Split(' ');
        var would = Manifests.Run(command[0], ["-C", Manifests.Root, "--no-print-directory", "-n", .. command[1..]]);

        would.Should().Contain("\nconfig/images/build.sh\n").And.Contain("dotnet publish api/Kubectl");
        File.ReadAllText(Path.Combine(Manifests.Root, "test/LocalCluster/Pods/workloads.sh"))
            .Should().Contain("\"$repo/config/images/build.sh\"");
        Manifests.Run("make", "-C", Manifests.Root, "-n", "test").Should().Contain("dotnet publish api/Kubectl");
    }

    [Test]
    public void Its_chart_is_rendered_with_its_values()
    {
        var said = HelmInstall().Match(Readme.Commands("helm install"));
        said.Success.Should().BeTrue("it says {0}", Readme.Commands("helm install"));
        var (chart, scope, path, value) =
            (said.Groups[1].Value, said.Groups[2].Value, said.Groups[3].Value.Split('.'), said.Groups[4].Value);

        var objects = Manifests.Parse(Manifests.Chart(
            scope, string.Concat(path.Select(p => $"{{{p}: ")) + $"\"{value}\"" + new string('}', path.Length)));

        chart.Should().Be("charts/pod-checkpointing");
        Manifests.One(objects, "PersistentVolume", "checkpoint-repo")["spec"]!["nfs"]!["server"]!.ToString()
            .Should().Be(value);
        Manifests.One(objects, "Deployment", "pod-checkpointing-operator")["metadata"]!["namespace"]!.ToString()
            .Should().Be(scope);
    }

    [Test]
    public void Its_chart_leaves_nothing_behind()
    {
        var said = HelmUninstall().Match(Readme.Commands("helm uninstall"));
        said.Success.Should().BeTrue("it says {0}", Readme.Commands("helm uninstall"));
        var (scope, kinds, label) =
            (said.Groups[1].Value, said.Groups[2].Value.Split(','), said.Groups[3].Value.Split('='));

        var kept = Manifests.Parse(Manifests.Chart(scope, "volume: {nfs: {server: 10.0.0.1}}"))
            .Where(o => o["metadata"]!["annotations"]?["helm.sh/resource-policy"]?.ToString() == "keep").ToList();

        kept.Should().HaveCountGreaterThan(5);
        foreach (var o in kept.Where(o => o["metadata"]!["namespace"]?.ToString() != scope))
        {
            if (o["kind"]!.ToString() == "RuntimeClass")
            {
                // Last of all, when no restored pod needs it any more.
                Readme.Commands("kubectl delete runtimeclass")
                    .Should().Be($"kubectl delete runtimeclass {o["metadata"]!["name"]}\n");
                continue;
            }

            kinds.Should().Contain(o["kind"]!.ToString() switch { "CustomResourceDefinition" =>
                "crd", "PersistentVolume" => "pv", var other => other });
            o["metadata"]!["labels"]![label[0]]!.ToString().Should().Be(label[1]);
        }
    }

    [Test]
    public void Uninstalling_leaves_the_class_that_restored_pods_need_and_nothing_else()
    {
        var (key, name) = NotLabel().Match(Readme.Commands("kubectl delete -k")) is { Success: true } said
            ? (said.Groups[1].Value, said.Groups[2].Value)
            : throw new AssertionException($"it says {Readme.Commands("kubectl delete -k")}");

        Manifests.Kustomize("default")
            .Where(o => o["metadata"]!["labels"]?[key]?.ToString() == name)
            .Select(Manifests.Name)
            .Should().Equal("RuntimeClass -/checkpoint-restore");
        Manifests.Parse(Manifests.Chart("elsewhere", "volume: {nfs: {server: 10.0.0.1}}"))
            .Where(o => o["kind"]!.ToString() == "RuntimeClass"
                && o["metadata"]!["annotations"]?["helm.sh/resource-policy"]?.ToString() == "keep")
            .Should().ContainSingle();
    }

    [Test]
    public void Its_overlay_puts_the_server_in()
    {
        var objects = Manifests.Overlay(Overlay().Match(Readme.Commands("mkdir -p my-cluster")).Groups[1].Value);

        Manifests.One(objects, "PersistentVolume", "checkpoint-repo")["spec"]!["nfs"]!.ToJsonString()
            .Should().Be("""{"path":"/checkpoints","server":"10.0.0.1"}""");
        objects.Should().HaveSameCount(Manifests.Kustomize("default"));
        objects.SelectMany(o => Image().Matches(o.ToJsonString())).Select(m => m.Groups[1].Value)
            .Should().HaveCountGreaterThan(1).And.OnlyContain(
                image => image.StartsWith("registry.example/", StringComparison.Ordinal));
    }

    [Test]
    public async Task Its_objects_are_taken_and_shown_as_it_says()
    {
        using var server = await ControlPlane.StartAsync(TestContext.CurrentContext.CancellationToken);
        await server.InstallDefinitionsAsync();
        var objects = Readme.Blocks.Where(b => b.Language == "yaml").Select(b => b.Text
            .Replace("<status.podUID>", "3b5a7c1e-0d52-4c8e-9a3e-6f0b1d2c3e4f", StringComparison.Ordinal)
            .Replace("<status.checkpointID>", "20261121t003412z-7f3a9c", StringComparison.Ordinal)).ToList();

        objects.Should().HaveCountGreaterThan(1);
        foreach (var text in objects)
        {
            await SayAsync(server, text, "apply", "--validate=strict", "-f", "-");
        }

        var table = Readme.Blocks.Single(b => b.Text.StartsWith("NAME ", StringComparison.Ordinal)).Text.Split('\n');
        var shown = (await SayAsync(server, null, "get", "podmigrations")).Split('\n');
        Words(shown[0]).Should().Equal(Words(table[0]));
        Words(shown[1])[..2].Should().Equal(Words(table[1])[..2]);
    }

    [Test]
    public void Its_targets_of_make_exist()
    {
        var makefile = File.ReadAllText(Path.Combine(Manifests.Root, "Makefile"));
        var named = Code.SelectMany(c => MakeTarget().Matches(c))
            .SelectMany(m => Words(m.Groups[1].Value))
            .Distinct()
            .ToList();

        named.Should().Contain(["demo", "test", "plugins", "images", "simulate"])
            .And.OnlyContain(target => Regex.IsMatch(makefile, $"^{target}:", RegexOptions.Multiline));
    }

    [Test]
    public void Its_files_and_folders_exist()
    {
        var named = Code.SelectMany(Words)
            .Where(w => Path_().IsMatch(w)
                && w.Split('/')[0] is not ("lpm.my.domain" or "pod" or "deployment" or "daemonset" or "localhost"))
            .Distinct()
            .ToList();

        // What is made is not there in a fresh clone.
        var makefile = File.ReadAllText(Path.Combine(Manifests.Root, "Makefile"));
        named.Should().Contain(["config/manager/namespace.yaml", "config/certificates.sh", "test/README.md"])
            .And.OnlyContain(
                p => p.StartsWith("artifacts/") ? makefile.Contains(p) : Path.Exists(Path.Combine(Manifests.Root, p)));
    }

    [Test]
    public void Its_plug_in_commands_exist()
    {
        var named = Code.SelectMany(c => PlugIn().Matches(c)).Select(m => m.Groups[1].Value).Distinct().ToList();

        named.Should().Contain(
            ["create podmigration", "podmigration check", "podmigration restore", "podmigration explain"]);
        foreach (var command in named)
        {
            // kubectl itself puts the words together, and takes the longest name that it finds.
            var words = command.Split(' ');
            var said = words[0] == "create"
                ? Plugin($"kubectl-create-{words[1]}", "--help")
                : Plugin("kubectl-podmigration", words[1], "--help");
            said.Code.Should().Be(0, said.Output);
            said.Output.Should().Contain($"kubectl {command}");
        }
    }

    [Test]
    public async Task Its_commands_of_the_stores_tool_exist()
    {
        var named = StoreVerbs().Match(Readme.Prose).Groups[1].Value.Split(
            ['`', ',', ' '], StringSplitOptions.RemoveEmptyEntries);
        var usage = new StringWriter();
        await new StoreCommand(usage, usage, TimeProvider.System).RunAsync(["--help"], CancellationToken.None);

        named.Should().HaveCountGreaterThan(5).And.OnlyContain(verb => Regex.IsMatch(usage.ToString(), $@"\b{verb}\b"));
    }

    [Test]
    public void Its_reasons_are_the_products()
    {
        var known = typeof(Reasons)
            .GetFields()
            .Where(f => f.IsLiteral)
            .Select(f => (string)f.GetRawConstantValue()!)
            .ToList();
        var named =
            Readme.Text.Split('\n').SkipWhile(l => !l.StartsWith("| reason |", StringComparison.Ordinal)).Skip(2)
                .TakeWhile(l => l.StartsWith('|'))
                .SelectMany(l => l.Split('|')[1].Split(','))
                .Select(w => w.Trim())
                .ToList();

        named.Should().HaveCountGreaterThan(8).And.BeSubsetOf(known);
    }

    [Test]
    public void Its_settings_are_the_operators()
    {
        var named = Code.Where(c => c.StartsWith("Max", StringComparison.Ordinal)
            || c is "DryRun" or "Interval" or "OrphanAge").ToList();

        named.Should().HaveCountGreaterThan(7).And.BeSubsetOf(
            typeof(RetentionOptions).GetProperties().Select(p => p.Name));
        typeof(OperatorOptions).GetProperties().Select(p => p.Name).Should().Contain(
            Code.SelectMany(c => Setting().Matches(c)).Select(
                m => m.Groups[1].Value).Should().NotBeEmpty().And.Subject);
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
            using var process =
                Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, output);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string[] Words(string line) =>
        line.Split([' ', '\n', '|', ',', '"'], StringSplitOptions.RemoveEmptyEntries);

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Span();

    [GeneratedRegex(@"\bmake ([a-z-]+(?: [a-z-]+)*)")]
    private static partial Regex MakeTarget();

    [GeneratedRegex(@"^[a-zA-Z]\w*(/[\w.-]*)+$")]
    private static partial Regex Path_();

    [GeneratedRegex("kubectl (podmigration [a-z]+|create pod[a-z]+)")]
    private static partial Regex PlugIn();

    [GeneratedRegex(@"^helm install \S+ (\S+) -n (\S+) --set ([\w.]+)=(\S+)\n$")]
    private static partial Regex HelmInstall();

    [GeneratedRegex(@"^helm uninstall \S+ -n (\S+)\nkubectl delete namespace \1\nkubectl delete (\S+) -l (\S+)\n$")]
    private static partial Regex HelmUninstall();

    [GeneratedRegex(@"^kubectl delete -k my-cluster -l (\S+)!=(\S+) --timeout=5m\n$")]
    private static partial Regex NotLabel();

    [GeneratedRegex(@"<<END\n(.*?\n)END\n", RegexOptions.Singleline)]
    private static partial Regex Overlay();

    [GeneratedRegex("\"image\":\"([^\"]+)\"")]
    private static partial Regex Image();

    [GeneratedRegex(@"`store`, in the agent's image, looks after the volume: (.*?) \(")]
    private static partial Regex StoreVerbs();

    [GeneratedRegex(@"\bOperator:(\w+)")]
    private static partial Regex Setting();
}
