using System.Text.Json.Nodes;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Component.Kubectl;

/// <summary><c>kubectl create podmigration</c> and <c>kubectl create podcheckpoint</c>, literally.</summary>
internal sealed class CreateTests() : PluginTests("create")
{
    [Test]
    public async Task Creates_a_migration()
    {
        var said = await KubectlAsync("create", "podmigration", "move-web", "--pod", "web");

        said.Should().Be(new Said(0, "podmigration.lpm.my.domain/move-web created\n", ""));
        (await SpecAsync("podmigration", "move-web")).Should().Be("""{"podName":"web"}""");
    }

    [Test]
    public async Task Creates_a_migration_with_everything_that_can_be_said()
    {
        var said = await KubectlAsync(
            "create", "podmigration", "full", "--pod=web", "--to=node-b", "--service=web", "--tcp-policy=Reject",
            "--on-failure=Rollback",
            "--timeout=1m30s", "--retention=Retain", "--pod-uid=0b1c2d3e-0000-4000-8000-000000000000", "-o", "name");

        said.Should().Be(new Said(0, "podmigration.lpm.my.domain/full\n", ""));
        (await SpecAsync("podmigration", "full")).Should().Be(
            """{"checkpointRetention":"Retain","onFailure":"Rollback","podName":"web","podUID":"0b1c2d3e-0000-4000-8000-000000000000","serviceName":"web","targetNode":"node-b","tcpPolicy":"Reject","timeoutSeconds":90}""");
    }

    [Test]
    public async Task Creates_a_migration_that_is_only_looked_at()
    {
        var said = await KubectlAsync("create", "podmigration", "looked-at", "--pod", "web", "--check");

        said.Should().Be(new Said(0, "podmigration.lpm.my.domain/looked-at created\n", ""));
        (await SpecAsync("podmigration", "looked-at")).Should().Be("""{"dryRun":true,"podName":"web"}""");
    }

    [Test]
    public async Task Creates_a_checkpoint()
    {
        var said = await KubectlAsync(
            "create", "podcheckpoint", "before", "--pod", "web", "--deletion-policy", "Retain");

        said.Should().Be(new Said(0, "podcheckpoint.lpm.my.domain/before created\n", ""));
        (await SpecAsync("podcheckpoint", "before")).Should().Be("""{"deletionPolicy":"Retain","podName":"web"}""");
    }

    [Test]
    public async Task Imports_a_content()
    {
        var said = await KubectlAsync("create", "podcheckpoint", "again", "--from-content", "pcpc-1");

        said.Code.Should().Be(0, said.Error);
        (await SpecAsync("podcheckpoint", "again")).Should().Be("""{"podCheckpointContentName":"pcpc-1"}""");
    }

    [TestCase(
        "spec.tcpPolicy: Unsupported value: \"Maybe\"", "podmigration", "bad", "--pod", "web", "--tcp-policy", "Maybe")]
    [TestCase("spec.timeoutSeconds", "podmigration", "bad", "--pod", "web", "--timeout", "1s")]
    [TestCase("spec.podName", "podmigration", "bad", "--pod", "Not_A_Name")]
    [TestCase(
        "spec.deletionPolicy: Unsupported value: \"Burn\"", "podcheckpoint", "bad", "--pod", "web",
        "--deletion-policy", "Burn")]
    [TestCase("spec.podUID", "podcheckpoint", "bad", "--pod", "web", "--pod-uid", "x y")]
    public async Task Passes_on_what_the_server_refuses(string message, params string[] arguments)
    {
        var said = await KubectlAsync(["create", .. arguments]);

        said.Code.Should().Be(3);
        said.Output.Should().BeEmpty();
        said.Error.Should().StartWith("error: from server (Invalid): ").And.Contain(message);
    }

    [Test]
    public async Task Says_that_a_name_is_taken()
    {
        await KubectlAsync("create", "podmigration", "twice", "--pod", "web");

        var said = await KubectlAsync("create", "podmigration", "twice", "--pod", "web");

        said.Code.Should().Be(3);
        said.Error.Should().Contain("AlreadyExists").And.Contain("\"twice\" already exists");
    }

    [Test]
    public async Task Has_the_server_check_without_creating()
    {
        var good = await KubectlAsync("create", "podmigration", "dry", "--pod", "web", "--dry-run=server");
        var bad = await KubectlAsync(
            "create", "podmigration", "dry", "--pod", "web", "--tcp-policy=Maybe", "--dry-run=server");
        var yaml = await KubectlAsync(
            "create", "podcheckpoint", "dry", "--pod", "web", "--dry-run=server", "-o", "yaml");

        good.Should().Be(new Said(0, "podmigration.lpm.my.domain/dry created (server dry run)\n", ""));
        bad.Code.Should().Be(3);
        yaml.Output
            .Should().Contain("\n  uid: ", "the server has made the object").And.Contain("kind: PodCheckpoint\n");
        (await KubectlAsync("get", "podmigration", "dry")).Error.Should().Contain("NotFound");
        (await KubectlAsync("get", "podcheckpoint", "dry")).Error.Should().Contain("NotFound");
    }

    [TestCase("yaml")]
    [TestCase("json")]
    public async Task Prints_what_kubectl_can_apply(string format)
    {
        var printed = await KubectlAsync(
            "create", "podmigration", "by-" + format, "--pod", "web", "--dry-run=client", "-o", format);

        await ApplyAsync(printed.Output);

        (await SpecAsync("podmigration", "by-" + format)).Should().Be("""{"podName":"web"}""");
    }

    [Test]
    public async Task Works_in_the_namespace_that_is_named()
    {
        await ApplyAsync("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}");

        await KubectlAsync("create", "podmigration", "there", "--pod", "web", "-n", "shop");

        (await KubectlAsync("get", "podmigration", "-n", "shop", "-o", "name")).Output
            .Should().Be("podmigration.lpm.my.domain/there\n");
    }

    [Test]
    public async Task Stops_waiting_in_time_and_leaves_the_migration_alone()
    {
        var said = await KubectlAsync(
            "create", "podmigration", "slow", "--pod", "web", "--wait", "--wait-timeout", "200ms");

        said.Code.Should().Be(124);
        said.Error.Should().Contain("has not ended within 200ms (--wait-timeout) and goes on")
            .And.Contain("kubectl podmigration watch slow -n create").And.Contain(
                "kubectl podmigration abort slow -n create");
        (await SpecAsync("podmigration", "slow")).Should().Be("""{"podName":"web"}""");
    }

    private async Task<string> SpecAsync(string kind, string name) =>
        ((JsonObject)(await GetAsync(kind, name))["spec"]!).ToJsonString();
}
