using FluentAssertions;
using k8s;
using k8s.Exceptions;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Commands;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Unit.Kubectl;

/// <summary>Kubeconfig files as kubectl reads them.</summary>
internal sealed class KubeconfigTests
{
    private string _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("pod-checkpointing-kubeconfig").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Of_namesakes_the_first_counts()
    {
        Write("one", "current-context: dev", Cluster("c", "https://one:6443"), Context("dev", "c", "u", "shop"));
        Write("two", "current-context: prod", Cluster(
            "c", "https://two:6443"), User("u", "{token: secret}"), Context("prod", "c", "u"));

        var config = Find($"{In("one")}:{In("absent")}:{In("two")}");

        var current = config.ContextNamed(null);
        current.Namespace.Should().Be("shop");
        config.ContextNamed("prod").Namespace.Should().BeNull();
        var configuration = config.ConfigurationOf(current, TimeProvider.System);
        (configuration.Host.Host, configuration.AccessToken).Should().Be(("one", "secret"));
    }

    [Test]
    public void Finds_files_beside_the_file_that_names_them()
    {
        Directory.CreateDirectory(In("sub"));
        Write("sub/config", "current-context: dev", Cluster(
            "c", "https://one:6443"), User("u", "{tokenFile: token}"), Context("dev", "c", "u"));

        var configuration =
            Find(In("sub/config")).ConfigurationOf(new KubeconfigContext("c", "u", null), TimeProvider.System);

        configuration.AccessTokenFile.Should().Be(In("sub/token"));
    }

    [Test]
    public void Runs_a_credential_plug_in()
    {
        File.WriteAllText(
            In("login"),
            "#!/bin/sh\necho \"{\\\"status\\\": {\\\"token\\\": \\\"$1-$WHO-$(echo $KUBERNETES_EXEC_INFO | grep -o "
                + "ExecCredential)\\\"}}\"\n");
        File.SetUnixFileMode(In("login"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Write(
            "config", "current-context: dev", Cluster("c", "https://one:6443"), Context("dev", "c", "u"),
            User(
                "u",
                "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./login, args: [get], env: [{name: "
                    + "WHO, value: me}]}}"));

        Find(In("config")).ConfigurationOf(new KubeconfigContext("c", "u", null), TimeProvider.System).TokenSource!
            .Read(null)
            .Should().Be("get-me-ExecCredential");
    }

    [Test]
    public void Asks_a_credential_plug_in_again_when_a_token_is_over_or_refused()
    {
        // The first token is good until ten minutes past, the second until twenty past.
        File.WriteAllText(
            In("login"),
            "#!/bin/sh\necho x >> $COUNT\nn=$(wc -l < $COUNT)\n"
            + "echo \"{\\\"status\\\": {\\\"token\\\": \\\"t$n\\\", \\\"expirationTimestamp\\\": "
            + "\\\"1970-01-01T00:${n}0:00Z\\\"}}\"\n");
        File.SetUnixFileMode(In("login"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Write(
            "config", Cluster("c", "https://one:6443"),
            User("u", $"{{exec: {{command: ./login, env: [{{name: COUNT, value: '{In("count")}'}}]}}}}"));
        var time = new HandTime();

        var tokens = Find(In("config")).ConfigurationOf(new KubeconfigContext("c", "u", null), time).TokenSource!;

        tokens.Read(null).Should().Be("t1");
        time.Advance(TimeSpan.FromMinutes(9));
        tokens.Read(null).Should().Be("t1");
        File.ReadAllLines(In("count")).Should().ContainSingle("it was not asked a second time");
        time.Advance(TimeSpan.FromMinutes(1));
        tokens.Read(null).Should().Be("t2");
        tokens.Read("t2").Should().Be("t3");
        tokens.Read("t2").Should().Be("t3", "another request has learnt so already");
        File.ReadAllLines(In("count")).Should().HaveCount(3);
    }

    [Test]
    public void Says_why_a_credential_plug_in_gives_nothing()
    {
        Write(
            "config", Cluster("c", "https://one:6443"),
            User("fails", "{exec: {command: false, installHint: log in first}}"),
            User("absent", "{exec: {command: no-such-program}}"),
            User("mute", "{exec: {command: echo, args: [hello]}}"));

        foreach (var (user, message) in new[]
        {
            ("fails", "the credential plug-in false ended with 1\nlog in first"),
            ("absent", "the credential plug-in no-such-program "),
            ("mute", "the credential plug-in echo did not print an ExecCredential"),
        })
        {
            Unusable(
                () => Find(In("config")).ConfigurationOf(new KubeconfigContext("c", user, null), TimeProvider.System))
                .Should().Contain(message);
        }
    }

    [TestCase(
        "{server: 'https://h:1', insecure-skip-tls-verify: true}",
        "insecure-skip-tls-verify of cluster \"c\" is not supported: put the authority into certificate-authority")]
    [TestCase("{server: 'https://h:1', proxy-url: 'http://p'}", "proxy-url of cluster \"c\" is not supported")]
    [TestCase(
        "{server: 'https://h:1/k8s/clusters/c-1'}",
        "server \"https://h:1/k8s/clusters/c-1\" of cluster \"c\" must be https://HOST:PORT without a path")]
    [TestCase("{}", "server \"\" of cluster \"c\"")]
    [TestCase(
        "{server: 'https://h:1', certificate-authority: absent.crt}", "certificate-authority: Could not find file")]
    [TestCase("{server: 'https://h:1', certificate-authority-data: '%'}", "certificate-authority: ")]
    public void Refuses_what_it_cannot_do(string cluster, string message)
    {
        Write("config", $"clusters: [{{name: c, cluster: {cluster}}}]");

        Unusable(() => Find(In("config")).ConfigurationOf(new KubeconfigContext("c", "", null), TimeProvider.System))
            .Should().Contain(message);
    }

    [Test]
    public void Takes_no_other_account_where_a_context_was_named_and_no_file_has_it()
    {
        Func<string, string?> home = name => name == "HOME" ? _folder : null;
        Func<string, string?> listed = name => name == "KUBECONFIG" ? $"{In("one")}:{In("two")}" : null;
        ConnectionOptions named = new(null, "prod", null, TimeSpan.Zero);

        Unreachable(() => Session.Open(named, home)).Should().Be(
            $"--context prod: no kubeconfig has it, for there is none at {In(".kube/config")}: name one with "
                + "--kubeconfig or KUBECONFIG");
        Unreachable(() => Session.Open(named, listed)).Should().Contain($"none at {In("one")}, {In("two")}: ");
        Session.Open(named with { Context = null }, home).Namespace.Should().Be("default");
        Session.Open(named with { Context = "", Namespace = "" }, home).Namespace
            .Should().Be("default", "an empty flag is none");
    }

    [Test]
    public void Does_not_act_with_rights_that_were_given_up()
    {
        Write("config", Cluster("c", "https://one:6443"), User("admin", "{token: t, as: viewer}"));

        Unusable(
            () => Find(In("config")).ConfigurationOf(new KubeconfigContext("c", "admin", null), TimeProvider.System))
            .Should().Contain("as of user \"admin\" is not supported: use a user entry without it");
    }

    [TestCase(null, true)]
    [TestCase(Outcomes.RolledBack, true)]
    [TestCase(Outcomes.Restored, false)]
    [TestCase(Outcomes.ColdStarted, false)]
    [TestCase(Outcomes.Lost, false)]
    [TestCase(Outcomes.SourceGone, false)]
    public void An_abort_is_well_where_the_pod_goes_on_where_it_was(string? outcome, bool well) =>
        AbortCommand.IsStopped(new PodMigration { Status = new PodMigrationStatus { Outcome = outcome } })
            .Should().Be(well);

    [Test]
    public void Names_what_there_is()
    {
        Write("config", Context("dev", "c", "u") + "\n" + "clusters: []");
        File.WriteAllText(In("broken"), "a: [");
        File.WriteAllText(In("empty"), "");

        Unusable(() => Find(In("config")).ContextNamed("prod"))
            .Should().Contain("has no context \"prod\"; it has: dev");
        Unusable(() => Find(In("config")).ContextNamed(null))
            .Should().Contain("has no current-context: choose one with --context");
        Unusable(() => Find(In("broken"))).Should().StartWith($"kubeconfig {In("broken")}: ");
        Unusable(() => Find(In("empty")).ContextNamed(null)).Should().Contain("has no current-context");
        Unreachable(() => Session.Open(new(In("absent"), null, null, TimeSpan.Zero), _ => null))
            .Should().Be($"--kubeconfig {In("absent")}: no such file");
        Kubeconfig.Find(name => name == "HOME" ? _folder : null).Should().BeNull();
    }

    private static string Unreachable(Func<object?> read)
    {
        var exception = read.Should().Throw<CommandException>().Which;
        exception.ExitCode.Should().Be(ExitCode.Unreachable);
        return exception.Message;
    }

    private static string Unusable(Func<object?> read) => read.Should().Throw<KubeConfigException>().Which.Message;

    private static Kubeconfig Find(string files) => Kubeconfig.Find(name => name == "KUBECONFIG" ? files : null)!;

    private static string Cluster(string name, string server) =>
        $"clusters: [{{name: {name}, cluster: {{server: '{server}'}}}}]";

    private static string User(string name, string user) => $"{{name: {name}, user: {user}}}";

    private static string Context(string name, string cluster, string user, string? namespaceName = null) =>
        $"contexts: [{{name: {name}, context: {{cluster: {cluster}, user: "
            + $"{user}{(namespaceName is null ? "" : $", namespace: {namespaceName}")}}}}}]";

    private string In(string name) => Path.Combine(_folder, name);

    private void Write(string name, params string[] lines)
    {
        var users = lines.Where(line => line.StartsWith("{name", StringComparison.Ordinal)).ToList();
        var text = lines.Where(line => !line.StartsWith("{name", StringComparison.Ordinal))
            .Append($"users: [{string.Join(", ", users)}]");
        File.WriteAllText(In(name), string.Join('\n', text) + "\n");
    }
}
