using System.Net;
using System.Reflection;
using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl;
using PodCheckpointing.Kubectl.Cluster;

namespace PodCheckpointing.Unit.Kubectl;

/// <summary>What users type, and what they get to read.</summary>
internal sealed class CommandLineTests
{
    [TestCase("kubectl-create-podmigration", "x --pod p", "create podmigration x --pod p")]
    [TestCase("kubectl-create-podcheckpoint", "x", "create podcheckpoint x")]
    [TestCase("kubectl-podmigration", "list -A", "podmigration list -A")]
    [TestCase("kubectl-podmigration", "create podcheckpoint x", "create podcheckpoint x")]
    [TestCase("kubectl_complete-podmigration", "status w", "__complete podmigration status w")]
    [TestCase("kubectl-create-podmigration", "__complete x --to", "__complete create podmigration x --to")]
    [TestCase("dotnet", "podmigration list", "podmigration list")]
    public void Is_what_its_name_says(string name, string words, string meant) =>
        Invocation.Words(name, words.Split(' ')).Should().Equal(meant.Split(' '));

    [Test]
    public async Task Writes_the_object_that_it_would_create()
    {
        var (code, output, error) = await new Shell().RunAsync(
            "create podmigration move --pod web --to node-b --timeout 1m30s --retention Retain --ttl 24h -n shop "
                + "--dry-run=client -o yaml");

        error.Should().BeEmpty();
        code.Should().Be(ExitCode.Ok);
        output.Should().Be(
            """
            apiVersion: lpm.my.domain/v1
            kind: PodMigration
            metadata:
              name: move
              namespace: shop
            spec:
              checkpointRetention: Retain
              podName: web
              targetNode: node-b
              timeoutSeconds: 90
              ttlSecondsAfterFinished: 86400

            """);
    }

    [Test]
    public async Task Tells_its_version()
    {
        var (code, output, error) = await new Shell().RunAsync("podmigration --version");

        (code, error).Should().Be((ExitCode.Ok, ""));
        output.Should().MatchRegex("^[0-9]+\\.[0-9]+\\.[0-9]+(\\+[0-9a-f]{40})?\n$");
    }

    [TestCase(
        "create podmigration", "error: Required argument 'NAME' missing",
        "See 'kubectl create podmigration --help' for usage.")]
    [TestCase(
        "create podmigration x", "error: Option '--pod' is required.", "See 'kubectl create podmigration --help'")]
    [TestCase(
        "create podmigration x --pod p --timeout soon", "--timeout \"soon\": write a duration such as 30s",
        "See 'kubectl")]
    [TestCase(
        "create podmigration x --pod p --wait --wait-timeout 1177h", "--wait-timeout \"1177h\": write 1176h at most",
        "See 'kubectl")]
    [TestCase(
        "create podmigration x --pod p --wait --wait-timeout soon",
        "--wait-timeout \"soon\": write a duration such as 30s", "See 'kubectl")]
    [TestCase("create podmigration x --pod p --wait=maybe --wait-timeout 3s", "'maybe'", "See 'kubectl")]
    [TestCase(
        "create podmigration x --pod p --wait=false --wait-timeout 3s", "--wait-timeout goes with --wait",
        "See 'kubectl")]
    [TestCase(
        "podmigration watch x --wait-timeout 5000000", "--wait-timeout \"5000000\": write 1176h at most",
        "See 'kubectl")]
    [TestCase(
        "podmigration list --request-timeout 9999h", "--request-timeout \"9999h\": write 1176h at most",
        "See 'kubectl")]
    [TestCase("podmigration list -n ..", "--namespace \"..\": give the name of an object", "See 'kubectl")]
    [TestCase("create podmigration x --pod p -o xml", "--output \"xml\": choose json, yaml, name", "See 'kubectl")]
    [TestCase(
        "create podmigration x --pod p --dry-run=maybe", "--dry-run \"maybe\": choose client, server or none",
        "See 'kubectl")]
    [TestCase(
        "create podmigration x --pod p --dry-run=client --wait", "--wait: a dry run creates nothing to wait for",
        "See 'kubectl")]
    [TestCase("create podmigration x --pod p --wait-timeout 3s", "--wait-timeout goes with --wait", "See 'kubectl")]
    [TestCase("create podcheckpoint x", "either --pod POD or --from-content CONTENT", "See 'kubectl")]
    [TestCase(
        "create podcheckpoint x --pod p --from-content c", "either --pod POD or --from-content CONTENT",
        "See 'kubectl")]
    [TestCase("podmigration status", "Required argument 'NAME' missing", "See 'kubectl podmigration status --help'")]
    [TestCase("podmigration walk", "'walk'", "See 'kubectl podmigration --help'")]
    [TestCase("podmigration list --nonsense", "'--nonsense'", "See 'kubectl podmigration list --help'")]
    [TestCase("podmigration deployment web --from a", "Option '--to' is required.", "See 'kubectl")]
    [TestCase("podmigration drain node-a --pod web", "'--pod'", "See 'kubectl")]
    [TestCase("podmigration drain node-a --service web", "'--service'", "See 'kubectl")]
    [TestCase("podmigration completion tcsh", "'tcsh'", "See 'kubectl")]
    public async Task Refuses_what_it_does_not_understand(string line, string error, string hint)
    {
        var (code, output, said) = await new Shell().RunAsync(line);

        code.Should().Be(ExitCode.Usage);
        output.Should().BeEmpty();
        said.Should().Contain(error).And.Contain(hint);
    }

    [TestCase("NAME", "podmigration status _")]
    [TestCase("NAME", "podmigration watch _")]
    [TestCase("NAME", "podmigration abort _")]
    [TestCase("NAME", "podmigration deployment _ --from a --to b")]
    [TestCase("NODE", "podmigration drain _")]
    [TestCase("POD", "podmigration check _")]
    [TestCase("CHECKPOINT", "podmigration restore _")]
    [TestCase("CHECKPOINT", "podmigration inspect _")]
    [TestCase("NAME", "create podmigration _ --pod p --dry-run=client")]
    [TestCase("NAME", "create podcheckpoint _ --pod p --dry-run=client")]
    public async Task Takes_nothing_for_a_name_that_would_mean_all_objects_or_another_path(string argument, string line)
    {
        foreach (var name in new[] { "", ".", "..", "a/b" })
        {
            var (code, output, said) =
                await new Shell().RunAsync([.. line.Split(' ').Select(word => word == "_" ? name : word)]);

            (code, output).Should().Be((ExitCode.Usage, ""), name);
            said.Should().Contain($"{argument} \"{name}\": give the name of an object");
        }
    }

    [TestCase("podmigration")]
    [TestCase("create")]
    [TestCase("podmigration watch --help")]
    [TestCase("create podmigration -h")]
    public async Task Helps_and_names_every_exit_code(string line)
    {
        var (code, output, error) = await new Shell().RunAsync(line);

        code.Should().Be(ExitCode.Ok);
        error.Should().BeEmpty();
        output.Should().Contain("Usage:\n  kubectl " + line.Split(' ')[0])
            .And.ContainAll(ExitCode.All.Select(exit => $"{exit.Code,3}  {exit.Meaning}"));
    }

    [TestCaseSource(nameof(Words))]
    public async Task Explains_every_reason(string reason)
    {
        var (code, output, error) = await new Shell().RunAsync("podmigration explain " + reason);

        (code, error).Should().Be((ExitCode.Ok, ""));
        output.Should().MatchRegex($"^Reason:    {reason}\nMeaning:   \\S.*\nRemedy:    \\S.*\n$");
    }

    [Test]
    public async Task Knows_no_other_reason()
    {
        (await new Shell().RunAsync("podmigration explain Pendin")).Should().Be(
            (ExitCode.Usage, "", "error: reason \"Pendin\" is not known: kubectl podmigration explain lists all\n"));
        (await new Shell().RunAsync("podmigration explain")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Should().BeEquivalentTo(Words());
    }

    [TestCaseSource(nameof(Failures))]
    public async Task Explains_failures_in_a_sentence(Exception failure, int code, string error)
    {
        var shell = new Shell(_ => new Session(() => throw failure, "default"));

        var said = await shell.RunAsync("podmigration list");

        said.Should().Be((code, "", $"error: {error}\n"));
    }

    private static IEnumerable<string> Words() =>
        typeof(Reasons)
            .GetFields(BindingFlags.Public | BindingFlags.Static)
            .Select(field => (string)field.GetRawConstantValue()!)
            .Distinct();

    private static IEnumerable<TestCaseData> Failures()
    {
        yield return Case("Forbidden", Refused(
            HttpStatusCode.Forbidden, "Forbidden", "you may not"), 3, "from server (Forbidden): you may not");
        yield return Case(
            "Unauthorized", Refused(HttpStatusCode.Unauthorized, "Unauthorized", "Unauthorized"), 3,
            "the API server does not know who you are: renew the credentials in the kubeconfig");
        yield return Case(
            "Not installed",
            Refused(HttpStatusCode.NotFound, "NotFound", "the server could not find the requested resource"), 3,
            "this cluster does not know the kind: install PodCheckpointing (README, \"Install\") or choose another "
                + "--context");
        yield return Case(
            "Group not installed", new KubernetesException(
                HttpStatusCode.NotFound,
                new V1Status { Message = "the API server answered 404: 404 page not found\n" }), 3,
            "this cluster does not know the kind: install PodCheckpointing (README, \"Install\") or choose another "
                + "--context");
        yield return Case(
            "Missing",
            Refused(HttpStatusCode.NotFound, "NotFound", "pods \"x\" not found"),
            3,
            "from server (NotFound): pods \"x\" not found");
        yield return Case(
            "Unreachable", new HttpRequestException("Connection refused (127.0.0.1:1)"), 4,
            "cannot reach the API server: Connection refused (127.0.0.1:1); see kubectl cluster-info, or choose "
                + "another --context");
        yield return Case(
            "Fault",
            new InvalidOperationException("oops"),
            1,
            "InvalidOperationException: oops (this is a fault of the plug-in)");
    }

    private static TestCaseData Case(string name, Exception failure, int code, string error) =>
        new TestCaseData(failure, code, error).SetArgDisplayNames(name);

    private static KubernetesException Refused(HttpStatusCode code, string reason, string message) =>
        new(code, new V1Status { Reason = reason, Message = message, Code = (int)code });
}
