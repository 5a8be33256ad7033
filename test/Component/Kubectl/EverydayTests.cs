using System.Text.Json.Nodes;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Kubectl;

/// <summary>Lists, completion, terminals and clusters that cannot be reached.</summary>
internal sealed class EverydayTests() : PluginTests("everyday")
{
    [OneTimeSetUp]
    public async Task MakeMigrationsAsync()
    {
        await ApplyAsync("{apiVersion: v1, kind: Namespace, metadata: {name: market}}");
        await KubectlAsync("create", "podmigration", "first", "--pod", "web");
        await KubectlAsync("create", "podmigration", "second", "--pod", "db", "-n", "market", "--to", "node-b");
        await SetStatusAsync(
            "podmigration",
            "first",
            new { phase = "Failed", message = "pod web does not exist", outcome = "RolledBack", startTime = "2026-11-21T08:00:00Z", completionTime = "2026-11-21T08:00:01Z" });
    }

    [Test]
    public void Says_that_the_kinds_are_not_installed() => PluginCluster.BeforeInstallation.Should().Be((
        3,
        "error: this cluster does not know the kind: install PodCheckpointing (README, \"Install\") or choose "
            + "another --context\n"));

    [Test]
    public async Task Lists_one_namespace_or_all()
    {
        var here = await KubectlAsync("podmigration", "list");
        var all = await KubectlAsync("podmigration", "list", "-A", "-o", "wide");
        var there = await KubectlAsync("podmigration", "list", "-n", "market", "-o", "name");
        var json = await KubectlAsync("podmigration", "ls", "-A", "-o", "json");

        here.Output.Should().StartWith(
            "NAME    POD   SOURCE   TARGET   PHASE    OUTCOME      DOWNTIME   CHECKPOINT   AGE\nfirst   web");
        all.Output.Should().MatchRegex("everyday +first +web .*pod web does not exist\n").And.MatchRegex(
            "market +second +db +node-b +Pending");
        there.Should().Be(new Said(0, "podmigration.lpm.my.domain/second\n", ""));
        JsonNode.Parse(json.Output)!["items"]!.AsArray().Select(item => (string)item!["metadata"]!["name"]!)
            .Should().Contain(["first", "second"]);
    }

    [Test]
    public async Task Has_kubectl_complete_commands_flags_and_names()
    {
        (await CompleteAsync("podmigration", "")).Should().Contain(
            ["check", "status", "watch", "list", "abort", "restore", "inspect", "deployment", "drain"]);
        (await NamesAsync("podmigration", "watch", "")).Should().Equal("first");
        (await NamesAsync("podmigration", "watch", "-n", "market", "se")).Should().Equal("second");
        (await CompleteAsync("podmigration", "list", "--out")).Should().Equal("--output");
        (await CompleteAsync("podmigration", "list", "-o", "")).Should().BeEquivalentTo("json", "yaml", "name", "wide");
        (await KubectlAsync("__complete", "podmigration", "list", "--kubeconfig", "")).Output
            .Should().Be(":0\n", "files");
    }

    [TestCase("bash")]
    [TestCase("zsh")]
    [TestCase("fish")]
    public async Task Prints_a_completion_script(string shell) =>
        (await KubectlAsync("podmigration", "completion", shell)).Output
            .Should().Contain("__complete").And.Contain("kubectl-create-podmigration");

    [Test]
    public async Task Completes_in_bash()
    {
        var script = (await KubectlAsync("podmigration", "completion", "bash")).Output;
        const string press = """

            COMP_WORDS=(kubectl-create-podmigration x --tcp-policy E); COMP_CWORD=3
            _pod_checkpointing
            printf '%s\n' "${COMPREPLY[@]}"
            """;

        (await ShellAsync("bash", "-c", script + press)).Should().Be("Established\n");
    }

    [Test]
    public async Task Draws_on_a_terminal()
    {
        var drawn = await ShellAsync(
            "script", "-qec", "TERM=xterm kubectl podmigration watch first; echo code $?", "/dev/null");

        drawn.Should().Contain("\u001b[").And.Contain("RolledBack").And.Contain("pod web does not exist").And.Contain(
            "code 1");
    }

    [Test]
    public async Task Refuses_a_cluster_that_it_cannot_reach()
    {
        var file = Path.Combine(PluginCluster.Folder, "elsewhere");
        await File.WriteAllTextAsync(file, """
            apiVersion: v1
            kind: Config
            clusters: [{name: away, cluster: {server: "https://127.0.0.1:1"}}]
            users: [{name: me, user: {token: x}}]
            contexts: [{name: away, context: {cluster: away, user: me, namespace: market}}]
            """);

        var unreachable = await KubectlAsync("podmigration", "list", "--kubeconfig", file, "--context", "away");
        var unknown = await KubectlAsync("podmigration", "list", "--context", "nowhere");
        var missing = await KubectlAsync("podmigration", "list", "--kubeconfig", file + "x");
        // The first file names the current context, the second one its own: both are known.
        var both = await ShellAsync("sh", "-c", $"KUBECONFIG='{Kubeconfig}:{file}' kubectl podmigration list -o name");

        (unreachable.Code, unreachable.Output).Should().Be((4, ""));
        unreachable.Error.Should().StartWith("error: cannot reach the API server: Connection refused");
        unknown.Should().Be(
            new Said(4, "", $"error: kubeconfig {Kubeconfig}: has no context \"nowhere\"; it has: here\n"));
        missing.Should().Be(new Said(4, "", $"error: --kubeconfig {file}x: no such file\n"));
        both.Should().Be("podmigration.lpm.my.domain/first\n");
    }

    [Test]
    public async Task Gives_an_answer_its_time()
    {
        var said = await KubectlAsync("podmigration", "list", "--request-timeout", "1ms");

        said.Should().Be(new Said(124, "", "error: the API server did not answer within 1ms (--request-timeout)\n"));
    }

    /// <summary>Where the server is slow a shell is offered no names: it has to ask again.</summary>
    private Task<string[]> NamesAsync(params string[] words) =>
        Wait.UntilAsync(() => CompleteAsync(words), names => names.Length > 0, "the names that there are");

    private async Task<string[]> CompleteAsync(params string[] words) =>
        [.. (await KubectlAsync(["__complete", .. words])).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(line => !line.StartsWith(':')).Select(line => line.Split('\t')[0])];
}
