using System.Reflection;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FluentAssertions;
using Grpc.Net.Client;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Images;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Component.Deploy;

/// <summary>config/default against the programs that it starts.</summary>
[TestFixture]
public sealed class InstallTests
{
    private static readonly IReadOnlyList<JsonObject> Objects = Manifests.Kustomize("default");

    private static JsonObject PodOf(string kind, string name) =>
        Manifests.One(Objects, kind, name)["spec"]!["template"]!["spec"]!.AsObject();

    private static JsonObject Operator => PodOf("Deployment", "pod-checkpointing-operator");

    private static JsonObject AgentPod => PodOf("DaemonSet", "checkpoint-agent");

    [Test]
    public void Every_setting_is_one_that_the_programs_know()
    {
        Names(Operator, "Operator__").Where(n => !n.StartsWith("Migrations__", StringComparison.Ordinal))
            .Should().BeSubsetOf(Properties(typeof(OperatorOptions))).And.NotBeEmpty();
        Names(Operator, "Operator__Migrations__").Should().BeEquivalentTo(
            Properties(typeof(MigrationOptions)).Except(
                [nameof(MigrationOptions.TtlSecondsAfterFinished), nameof(MigrationOptions.ParallelPerNamespace)]),
            "what is not set means something of its own");
        Names(AgentPod, "Agent__").Where(n => !n.StartsWith("Images__", StringComparison.Ordinal))
            .Should().BeSubsetOf(Properties(typeof(AgentOptions))).And.NotBeEmpty();
        Names(AgentPod, "Agent__Images__").Should().Equal($"{nameof(ImageOptions.NodeCommand)}__0");
    }

    [Test]
    public void The_agent_can_dial_its_runtime()
    {
        // It threw at the first call for an address without a scheme.
        using var channel = GrpcChannel.ForAddress(Env(AgentPod, "RuntimeEndpoint"), new GrpcChannelOptions());

        Mounted(AgentPod, Env(AgentPod, "RuntimeEndpoint")["unix://".Length..]).Should().NotBeNull();
    }

    [Test]
    public void Whatever_file_a_setting_names_is_on_a_volume()
    {
        foreach (var pod in new[] { Operator, AgentPod })
        {
            foreach (var value in pod["containers"]![0]!["env"]!.AsArray().Select(e => e!["value"]?.ToString())
                .Where(v => v?.StartsWith('/') == true).SelectMany(v => v!.Split(':'))
                .Where(v => !v.StartsWith("/var/run/secrets/", StringComparison.Ordinal)
                    && v != "/usr/local/bin/on-node"))
            {
                Mounted(pod, value).Should().NotBeNull("{0} must come from somewhere", value);
            }
        }

        var options = new AgentOptions();
        foreach (var path in new[] { options.RestoreHandler, options.FenceHook })
        {
            Mounted(AgentPod, path).Should().Be(path, "the runtime looks where the agent looks");
        }
    }

    [Test]
    public void Folders_that_the_agent_names_to_others_have_the_same_path_on_the_node()
    {
        foreach (var setting in new[] { "StateRoot", "KubeletDirectory", "CriuConfig" })
        {
            Mounted(AgentPod, Env(AgentPod, setting)).Should().Be(Env(AgentPod, setting));
        }
    }

    [Test]
    public void Every_container_has_requests_a_memory_limit_and_no_more_rights_than_are_explained()
    {
        var source = File.ReadAllLines(Path.Combine(Manifests.Root, "config/agent/daemonset.yaml"));
        foreach (var container in new[] { Operator, AgentPod }
            .SelectMany(pod => new[] { "initContainers", "containers" }.SelectMany(list => pod[list]?.AsArray() ?? [])))
        {
            container!["resources"]!["requests"]!.AsObject().Select(r => r.Key)
                .Should().BeEquivalentTo("cpu", "memory");
            container["resources"]!["limits"]!["memory"].Should().NotBeNull();
            var security = container["securityContext"]!;
            security["privileged"].Should().BeNull();
            security["readOnlyRootFilesystem"]!.GetValue<bool>().Should().BeTrue();
            security["capabilities"]!["drop"]!.ToJsonString().Should().Be("""["ALL"]""");
            foreach (var added in security["capabilities"]!["add"]?.AsArray() ?? [])
            {
                var line = Array.FindIndex(source, l => l.Trim() == $"- {added}");
                source[line - 1].Trim().Should().StartWith("#", "{0} needs its reason", added);
            }
        }
    }

    [Test]
    public void As_many_capabilities_are_told_of_as_there_are()
    {
        string[] numbers = ["nine", "ten", "eleven", "twelve", "thirteen"];
        var added = AgentPod["containers"]![0]!["securityContext"]!["capabilities"]!["add"]!.AsArray().Count;

        File.ReadAllText(Path.Combine(Manifests.Root, "config/README.md"))
            .Should().Contain($"root with {numbers[added - 9]} capabilities");
    }

    [Test]
    public void Every_long_running_container_is_probed()
    {
        foreach (var container in new[] { Operator, AgentPod }.SelectMany(pod => pod["containers"]!.AsArray()))
        {
            container!.AsObject().Select(p => p.Key)
                .Should().Contain(["startupProbe", "livenessProbe", "readinessProbe"]);
        }

        AgentPod["containers"]![0]!["readinessProbe"]!["httpGet"]!["port"]!.GetValue<decimal>()
            .Should().Be(new AgentOptions().HealthPort);
        Operator["containers"]![0]!["ports"]![0]!["containerPort"]!.GetValue<decimal>()
            .Should().Be(new OperatorOptions().HealthPort);
    }

    [Test]
    public void A_drain_takes_one_operator_at_a_time()
    {
        var budget = Manifests.One(Objects, "PodDisruptionBudget", "pod-checkpointing-operator")["spec"]!;
        var deployment = Manifests.One(Objects, "Deployment", "pod-checkpointing-operator")["spec"]!;

        budget["maxUnavailable"]!.GetValue<decimal>().Should().Be(1);
        deployment["replicas"]!.GetValue<decimal>().Should().BeGreaterThan(1);
        budget["selector"]!.ToJsonString().Should().Be(deployment["selector"]!.ToJsonString());
    }

    [Test]
    public void The_volume_is_the_one_that_the_agents_claim()
    {
        var claims = Manifests.One(Objects, "PersistentVolumeClaim", "checkpoint-repo");
        var claim = claims["spec"]!;
        var volume = Manifests.One(Objects, "PersistentVolume", claim["volumeName"]!.ToString())["spec"]!;

        AgentPod["volumes"]!.AsArray().Select(v => v!["persistentVolumeClaim"]?["claimName"]?.ToString())
            .Should().Contain("checkpoint-repo");
        foreach (var spec in new[] { claim, volume })
        {
            spec["storageClassName"]!.ToString().Should().Be("nfs-rwx");
            spec["accessModes"]!.ToJsonString().Should().Be("""["ReadWriteMany"]""");
        }

        foreach (var key in new[] { "namespace", "name" })
        {
            volume["claimRef"]![key]!.ToString()
                .Should().Be(claims["metadata"]![key]!.ToString(), "no other claim may take it");
        }

        volume["mountOptions"]!.AsArray().Select(o => o!.ToString()).Should().Contain("hard").And.NotContain("soft");
    }

    [Test]
    public void An_overlay_names_its_images_as_upgrade_md_says()
    {
        var said = File.ReadAllText(Path.Combine(Manifests.Root, "config/upgrade.md"))
            .Split("```yaml\n")[1]
            .Split("```")[0];
        var objects = Manifests.Overlay($"resources: [../config/default]\n{said}");

        new[] { ("DaemonSet", "checkpoint-agent"), ("Deployment", "pod-checkpointing-operator") }.SelectMany(o =>
            {
                var pod = Manifests.One(objects, o.Item1, o.Item2)["spec"]!["template"]!["spec"]!;
                return new[] { "initContainers", "containers" }.SelectMany(list => pod[list]?.AsArray() ?? []).Select(
                    c => c!["image"]!.ToString());
            })
            .Should().Equal(
                "registry.example/checkpoint-agent:0.2.0", "registry.example/checkpoint-agent:0.2.0",
                "registry.example/pod-checkpointing-operator:0.2.0");
    }

    [Test]
    public void Certificates_are_those_that_both_sides_take()
    {
        using var folder = new CertificateFolder();
        var (agent, @operator) = folder.Make();

        agent.Accepted(AgentTls.AgentName).Should().BeTrue();
        @operator.Accepted(AgentTls.OperatorName).Should().BeTrue();
        agent.Accepted(AgentTls.OperatorName).Should().BeFalse("an agent may not call agents");
    }

    [Test]
    public void Renewed_certificates_are_taken_beside_the_old_ones_as_long_as_the_authority_is_kept()
    {
        using var folder = new CertificateFolder();
        var (before, _) = folder.Make("authority");
        var (after, _) = folder.Make("authority");

        after.Certificate.Should().NotBe(before.Certificate);
        after.Accepted(AgentTls.AgentName, before.Authority).Should().BeTrue();
        before.Accepted(AgentTls.AgentName, after.Authority).Should().BeTrue();
    }

    [Test]
    public void An_authority_is_replaced_without_an_instant_at_which_one_side_refuses_the_other()
    {
        using var folder = new CertificateFolder();
        var (before, _) = folder.Make("authority");
        var (announced, _) = folder.Make("authority", "next");
        var (after, _) = folder.Make("authority", "replace");
        var (renewed, _) = folder.Make("authority");
        File.Delete(folder.At("authority/old.crt"));
        var (last, _) = folder.Make("authority");

        // Each side may have the secret of before, or that of after a run, as long as kubelet is bringing it.
        foreach (var (one, other) in new[] { (before, announced),
            (announced, after), (after, renewed), (renewed, last) })
        {
            one.Accepted(AgentTls.AgentName, other.Authority).Should().BeTrue();
            other.Accepted(AgentTls.AgentName, one.Authority).Should().BeTrue();
        }

        after.Accepted(AgentTls.AgentName, before.Authority).Should().BeFalse("it is another");
        before.Accepted(AgentTls.AgentName, last.Authority).Should().BeFalse("it is gone");
    }

    [TestCase("ca.key", "", "has one of ca.key and ca.crt only")]
    [TestCase("ca.crt", "next", "has one of ca.key and ca.crt only")]
    [TestCase("", "replace", "has no next.crt: \"next\" first")]
    [TestCase("", "other", "\"other\": write next or replace")]
    public void What_is_wrong_with_an_authority_is_said_and_nothing_is_printed(string lost, string change, string said)
    {
        using var folder = new CertificateFolder();
        folder.Make("authority");
        if (lost.Length > 0)
        {
            File.Delete(folder.At($"authority/{lost}"));
        }

        FluentActions.Invoking(() => folder.Make("authority", change)).Should().Throw<InvalidOperationException>()
            .WithMessage($"*{said}*").Which.Message.Should().NotContain("kind: Secret");
    }

    [Test]
    public void Who_replaces_an_authority_twice_hears_that_it_is_replaced_and_loses_nothing_by_what_is_proposed()
    {
        using var folder = new CertificateFolder();
        folder.Make("authority");
        folder.Make("authority", "next");
        var (after, _) = folder.Make("authority", "replace");

        FluentActions.Invoking(() => folder.Make("authority", "replace")).Should().Throw<InvalidOperationException>()
            .WithMessage("*it has been replaced: run the line without \"replace\"*");
        var (proposed, _) = folder.Make("authority");

        proposed.Authority.Should().Be(after.Authority, "no third one has come");
    }

    [Test]
    public void An_authority_that_is_kept_nowhere_is_not_replaced()
    {
        using var folder = new CertificateFolder();

        FluentActions.Invoking(() => folder.Make(change: "next"))
            .Should().Throw<InvalidOperationException>().WithMessage("\"next\" needs the FOLDER*");
    }

    [Test]
    public void A_failure_of_openssls_is_shown_and_no_half_is_printed()
    {
        using var folder = new CertificateFolder();
        folder.Make("authority");
        folder.Make("other");
        File.Copy(folder.At("other/ca.key"), folder.At("authority/ca.key"), overwrite: true);

        FluentActions.Invoking(() => folder.Make("authority")).Should().Throw<InvalidOperationException>()
            .WithMessage("*CA certificate and CA private key do not match*").Which.Message
            .Should().NotContain("kind: Secret");
    }

    private static IEnumerable<string> Names(JsonObject pod, string prefix) => pod["containers"]![0]!["env"]!.AsArray()
        .Select(e => e!["name"]!.ToString())
        .Where(n => n.StartsWith(prefix, StringComparison.Ordinal))
        .Select(n => n[prefix.Length..]);

    private static string Env(JsonObject pod, string setting) => pod["containers"]![0]!["env"]!.AsArray()
        .Single(e => e!["name"]!.ToString() == $"Agent__{setting}")!["value"]!.ToString();

    private static IEnumerable<string> Properties(Type options) =>
        options.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.CanWrite).Select(p => p.Name);

    /// <summary>Where on the node a path of the container is; the volume's name where it is not
    /// the node's; null: the image.</summary>
    private static string? Mounted(JsonObject pod, string path)
    {
        var mount = pod["containers"]![0]!["volumeMounts"]!.AsArray()
            .SingleOrDefault(m => Regex.IsMatch(path, $"^{Regex.Escape(m!["mountPath"]!.ToString())}(/|$)"));
        if (mount is null)
        {
            return null;
        }

        var volume = pod["volumes"]!.AsArray().Single(v => v!["name"]!.ToString() == mount["name"]!.ToString())!;
        return volume["hostPath"]?["path"]?.ToString() + path[mount["mountPath"]!.ToString().Length..];
    }

    private sealed record Pair(string Certificate, string Authority)
    {
        public bool Accepted(string name, string? authority = null)
        {
            var file = Path.GetTempFileName();
            File.WriteAllText(file, authority ?? Authority);
            try
            {
                using var certificate = X509Certificate2.CreateFromPem(Certificate);
                return AgentTls.Accepts(certificate, file, name);
            }
            finally
            {
                File.Delete(file);
            }
        }
    }

    private sealed class CertificateFolder : IDisposable
    {
        private readonly string _folder = Directory.CreateTempSubdirectory("pod-checkpointing-certificates").FullName;

        public string At(string path) => Path.Combine(_folder, path);

        public (Pair Agent, Pair Operator) Make(string? authority = null, string change = "")
        {
            var secrets = Manifests.Parse(Manifests.Run(
                "/bin/sh", Path.Combine(Manifests.Root, "config/certificates.sh"), "30",
                authority is null ? "" : At(authority), change));
            return (Of("checkpoint-agent-tls"), Of("pod-checkpointing-operator-tls"));

            Pair Of(string name)
            {
                var data = Manifests.One(secrets, "Secret", name)["data"]!;
                return new Pair(Text(data["tls.crt"]!), Text(data["ca.crt"]!));
            }
        }

        public void Dispose() => Directory.Delete(_folder, recursive: true);

        private static string Text(JsonNode data) => Encoding.UTF8.GetString(Convert.FromBase64String(data.ToString()));
    }
}
