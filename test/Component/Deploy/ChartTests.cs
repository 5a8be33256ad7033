using System.Text.Json.Nodes;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Component.Api;

namespace PodCheckpointing.Component.Deploy;

/// <summary>charts/pod-checkpointing, rendered by the engine that helm is made of.</summary>
[TestFixture]
public sealed class ChartTests
{
    private const string Namespace = "pod-checkpointing-system";

    /// <summary>The chart has no server of its own.</summary>
    private const string MyServer = "volume: {nfs: {server: 10.0.0.1}}";

    [Test]
    public void Installs_what_kustomize_installs()
    {
        var chart = Comparable(Manifests.Parse(Manifests.Chart(Namespace, MyServer)));
        var kustomize = Comparable(Kustomized("default"));

        chart.Keys.Should().BeEquivalentTo(kustomize.Keys);
        foreach (var (name, text) in kustomize)
        {
            chart[name].Should().Be(text, "{0} is one thing, whoever installs it", name);
        }
    }

    [Test]
    public void Installs_what_kustomize_installs_with_cert_manager()
    {
        var chart = Comparable(
            Manifests.Parse(Manifests.Chart(Namespace, MyServer + "\ncertificates: {certManager: {enabled: true}}")));

        chart.Should().BeEquivalentTo(Comparable(Kustomized("default", "cert-manager")));
        chart.Should().HaveCountGreaterThan(Manifests.Kustomize("default").Count);
    }

    [Test]
    public void Installs_what_kustomize_installs_for_containerd()
    {
        var chart = Comparable(Manifests.Parse(
            Manifests.Chart(Namespace, MyServer + "\nagent: {runtimeSocket: /run/containerd/containerd.sock}")));

        chart.Should().BeEquivalentTo(Comparable(Kustomized("default", "containerd/component")));
        chart["DaemonSet pod-checkpointing-system/checkpoint-agent"]
            .Should().NotContain("crio").And.NotContain("hooks.d", "containerd reads no folder of hooks");
    }

    [Test]
    public void Installs_what_kustomize_installs_with_traces()
    {
        var chart = Comparable(
            Manifests.Parse(
                Manifests.Chart(Namespace, MyServer + "\ntraces: {endpoint: \"http://otlp.example:4318\"}")));

        chart.Should().BeEquivalentTo(Comparable(Kustomized("default", "tracing")));
        chart.Values.Count(text => text.Contains("OTEL_EXPORTER_OTLP_ENDPOINT", StringComparison.Ordinal))
            .Should().Be(2);
    }

    [Test]
    public void Installs_what_is_watched_with_the_labels_that_a_Prometheus_looks_for()
    {
        // Found by their kinds: without it the chart has none of them.
        string[] kinds = ["PodMonitor", "PrometheusRule", "ConfigMap"];
        Manifests.Parse(Manifests.Chart(Namespace, MyServer)).Select(o => o["kind"]!.ToString())
            .Should().NotContain(kinds);

        var objects = Manifests
            .Parse(Manifests.Chart(Namespace, MyServer + "\nobservability: {enabled: true, labels: {release: mon}}"))
            .Where(o => kinds.Contains(o["kind"]!.ToString())).ToList();

        objects.Should().HaveCount(4);
        foreach (var o in objects)
        {
            var labels = o["metadata"]!["labels"]!.AsObject();
            labels["release"]!.ToString().Should().Be("mon");
            labels.Remove("release");
            labels.Remove("app.kubernetes.io/part-of");
        }

        Comparable(objects).Should().BeEquivalentTo(Comparable(Manifests.Kustomize("observability")));
    }

    [TestCase("", null)]
    [TestCase("agent: {nodeSelector: {disk: fast}}", """{"disk":"fast","kubernetes.io/os":"linux"}""")]
    public void Has_pods_restored_only_where_agents_are(string values, string? nodes)
    {
        var made = Manifests.One(
            Manifests.Parse(Manifests.Chart(Namespace, MyServer + "\n" + values)), "RuntimeClass",
            "checkpoint-restore");

        (made["scheduling"]?["nodeSelector"]?.ToJsonString()).Should().Be(nodes);
    }

    [Test]
    public void Makes_no_volume_on_the_example_s_server()
    {
        FluentActions.Invoking(() => Manifests.Chart(Namespace)).Should().Throw<InvalidOperationException>()
            .WithMessage("*volume.nfs.server*volume.existingClaim*");
        Manifests.Parse(Manifests.Chart(Namespace, "volume: {existingClaim: mine}")).Select(o => o["kind"]!.ToString())
            .Should().NotContain("PersistentVolume");
    }

    [Test]
    public void Installs_nothing_where_its_links_are_lost(
        [Values("cert-manager", "crd", "observability", "policies", "rbac")] string link, [Values] bool asText)
    {
        var copy = Directory.CreateTempSubdirectory("pod-checkpointing-chart").FullName;
        try
        {
            // A whole one, as of a package.
            Manifests.Run("/bin/cp", "-rLT", Path.Combine(Manifests.Root, "charts/pod-checkpointing"), copy);
            Directory.Delete($"{copy}/files/{link}", recursive: true);
            if (asText)
            {
                // As Git without core.symlinks and zip leave it.
                File.WriteAllText($"{copy}/files/{link}", $"../../../config/{link}");
            }

            FluentActions.Invoking(() => Manifests.Chart(
                    Namespace,
                    MyServer + "\ncertificates: {certManager: {enabled: true}}\nobservability: {enabled: true}", copy))
                .Should().Throw<InvalidOperationException>()
                .WithMessage($"*files/{link}/*.yaml of the chart is missing*symbolic links*helm package*");
        }
        finally
        {
            Directory.Delete(copy, recursive: true);
        }
    }

    [Test]
    public void Pins_images_by_their_digests()
    {
        var (one, other) = ($"sha256:{new string('1', 64)}", $"sha256:{new string('a', 64)}");
        var objects = Manifests.Parse(Manifests.Chart(Namespace, $$$"""
            {{{MyServer}}}
            operator: {image: {tag: v9, digest: "{{{one}}}"}}
            agent: {image: {digest: "{{{other}}}"}}
            """));

        ImagesOf("Deployment", "pod-checkpointing-operator")
            .Should().Equal($"localhost/pod-checkpointing-operator@{one}");
        ImagesOf("DaemonSet", "checkpoint-agent")
            .Should().Equal($"localhost/checkpoint-agent@{other}", $"localhost/checkpoint-agent@{other}");

        IEnumerable<string> ImagesOf(string kind, string name) => new[] { "initContainers", "containers" }
            .SelectMany(list =>
                Manifests.One(objects, kind, name)["spec"]!["template"]!["spec"]![list]?.AsArray() ?? [])
            .Select(container => container!["image"]!.ToString());
    }

    [Test]
    public void Leaves_nothing_in_the_namespace_of_kustomize_when_installed_in_another()
    {
        var text = Manifests.Chart(
            "elsewhere", MyServer + "\ncertificates: {certManager: {enabled: true}}\nobservability: {enabled: true}");

        text.Should().NotContain(Namespace).And.NotContain("<no value>");
        Manifests.Parse(text).Select(o => o["metadata"]?["namespace"]?.ToString()).Distinct()
            .Should().BeEquivalentTo(["elsewhere", null]);
    }

    [Test]
    public void Takes_odd_values_where_they_belong()
    {
        var objects = Manifests.Parse(Manifests.Chart(Namespace, """
            imagePullSecrets: [{name: mine}]
            crds: {install: false}
            policies: {install: false}
            operator:
              replicas: 0
              image: {repository: "registry.example:5000/a/operator", tag: v9, pullPolicy: Always}
              podDisruptionBudget: {enabled: false}
              migrations: {parallelPerCluster: 50, parallelInboundPerNode: 7}
              settings: {"Retention:MaxPerPod": "5"}
              tolerations: [{key: control-plane, operator: Exists}]
              resources: {requests: {cpu: 2}, limits: null}
            agent:
              nodeSelector: {disk: fast, "example.com/checkpoints": "true"}
              runtimeSocket: /run/containerd/containerd.sock
              criuConfig: /usr/local/etc/criu/crun.conf
              kubelet: {ca: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt}
              installNodeFiles: false
              settings: {KubeletName: other, ListenAddress: 0.0.0.0, "Images:Retries": "9"}
              priorityClassName: ""
            volume: {existingClaim: mine}
            certificates: {agentSecret: a.b-c, operatorSecret: other}
            runtimeClass: {create: false}
            traces: {endpoint: "https://10.0.0.9:4317/in", protocol: grpc, variables: {OTEL_TRACES_SAMPLER_ARG: "0.1"}}
            """));

        objects.Select(o => o["kind"]!.ToString()).Distinct().Should().BeEquivalentTo(
            "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Deployment", "DaemonSet");
        var spec = Manifests.One(objects, "Deployment", "pod-checkpointing-operator")["spec"]!;
        ((decimal)spec["replicas"]!).Should().Be(0);
        var operatorPod = spec["template"]!["spec"]!;
        operatorPod["containers"]![0]!["image"]!.ToString().Should().Be("registry.example:5000/a/operator:v9");
        operatorPod["containers"]![0]!["imagePullPolicy"]!.ToString().Should().Be("Always");
        operatorPod["containers"]![0]!["resources"]!.ToJsonString()
            .Should().Be("""{"requests":{"cpu":2,"memory":"128Mi"}}""");
        Env(operatorPod.AsObject(), "Operator__Retention__MaxPerPod").Should().Be("5");
        Env(operatorPod.AsObject(), "Operator__Migrations__ParallelPerCluster").Should().Be("50");
        Env(operatorPod.AsObject(), "Operator__Migrations__ParallelOutboundPerNode").Should().Be("2");
        Env(operatorPod.AsObject(), "Operator__Migrations__ParallelInboundPerNode").Should().Be("7");
        operatorPod["tolerations"]!.ToJsonString().Should().Be("""[{"key":"control-plane","operator":"Exists"}]""");
        operatorPod["volumes"]![0]!["secret"]!["secretName"]!.ToString().Should().Be("other");

        var agent = Manifests.One(objects, "DaemonSet", "checkpoint-agent")["spec"]!["template"]!["spec"]!.AsObject();
        agent.Select(p => p.Key).Should().NotContain(["initContainers", "priorityClassName"]);
        agent["nodeSelector"]!.ToJsonString().Should()
            .Be("""{"disk":"fast","example.com/checkpoints":"true","kubernetes.io/os":"linux"}""");
        Env(agent, "Agent__RuntimeEndpoint").Should().Be("unix:///run/containerd/containerd.sock");
        Env(agent, "Agent__KubeletName").Should().Be("other");
        Env(agent, "Agent__ListenAddress").Should().Be("0.0.0.0", "and no second one of that name");
        Env(agent, "Agent__Images__Retries").Should().Be("9");
        foreach (var pod in new[] { agent, operatorPod.AsObject() })
        {
            pod["imagePullSecrets"]!.ToJsonString().Should().Be("""[{"name":"mine"}]""");
            Env(pod, "OTEL_EXPORTER_OTLP_ENDPOINT").Should().Be("https://10.0.0.9:4317/in");
            Env(pod, "OTEL_EXPORTER_OTLP_PROTOCOL").Should().Be("grpc");
            Env(pod, "OTEL_TRACES_SAMPLER_ARG").Should().Be("0.1");
        }

        Env(agent, "Agent__CriuConfig").Should().Be("/usr/local/etc/criu/crun.conf");
        Env(agent, "Agent__KubeletCa").Should().Be("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt");
        Volume(agent, "runtime")["hostPath"]!["path"]!.ToString().Should().Be("/run/containerd");
        Volume(agent, "checkpoints")["persistentVolumeClaim"]!["claimName"]!.ToString().Should().Be("mine");
        Volume(agent, "tls")["secret"]!["secretName"]!.ToString().Should().Be("a.b-c");
        agent["volumes"]!.AsArray().Select(v => v!["name"]!.ToString()).Should().NotContain("hooks");
    }

    [TestCase("operator: {replicas: two}", "operator.replicas")]
    [TestCase("operator: {replicas: -1}", "operator.replicas")]
    [TestCase("operator: {replica: 2}", "Additional property replica is not allowed")]
    [TestCase("operator: {image: {tag: \"a b\"}}", "operator.image.tag")]
    [TestCase("operator: {image: {digest: \"sha256:12\"}}", "operator.image.digest")]
    [TestCase("agent: {image: {digest: latest}}", "agent.image.digest")]
    [TestCase("operator: {leaseDurationSeconds: 1}", "operator.leaseDurationSeconds")]
    [TestCase("operator: {migrations: {parallelPerCluster: 0}}", "operator.migrations.parallelPerCluster")]
    [TestCase("operator: {settings: {Workers: 4}}", "operator.settings.Workers")]
    [TestCase("agent: {settings: {LazyRestoreBytes: 1}}", "agent.settings.LazyRestoreBytes")]
    [TestCase("imagePullSecrets: [mine]", "imagePullSecrets.0")]
    [TestCase("agent: {runtimeSocket: run/crio.sock}", "agent.runtimeSocket")]
    [TestCase("agent: {criuConfig: /etc/criu/runc.conf}", "agent.criuConfig")]
    [TestCase("agent: {resources: {limits: {memory: lots}}}", "agent.resources.limits.memory")]
    [TestCase("agent: {kubelet: {url: \"http://127.0.0.1:10250\"}}", "agent.kubelet.url")]
    [TestCase("agent: {kubelet: {ca: /etc/kubernetes/pki/ca.crt}}", "agent.kubelet.ca")]
    [TestCase("agent: {kubelet: {ca: \"/var/lib/kubelet/pki/kubelet.crt:\"}}", "agent.kubelet.ca")]
    [TestCase("agent: {nodeSelector: {fast: true}}", "agent.nodeSelector.fast")]
    [TestCase("volume: {nfs: {mountOptions: [soft]}}", "volume.nfs.mountOptions.0")]
    [TestCase("volume: {existingClaim: Mine}", "volume.existingClaim")]
    [TestCase("certificates: {agentSecret: \"\"}", "certificates.agentSecret")]
    [TestCase("crds: null", "crds is required")]
    [TestCase("observability: {labels: {release: 1}}", "observability.labels.release")]
    [TestCase("traces: {endpoint: \"otlp:4318\"}", "traces.endpoint")]
    [TestCase("traces: {protocol: http/json}", "traces.protocol")]
    [TestCase("traces: {variables: {SAMPLER: \"1\"}}", "traces.variables")]
    public void Refuses_values_that_mean_nothing(string values, string said) =>
        FluentActions.Invoking(() => Manifests.Chart(Namespace, values))
            .Should().Throw<InvalidOperationException>().WithMessage(
                $"*values don't meet the specifications of the schema*{said}*");

    [TestCase(
        "", "certificates.sh 365 ~/pod-checkpointing-authority | kubectl apply",
        "config/crio/README.md: the two programs,", "The agents keep")]
    [TestCase("certificates: {certManager: {enabled: true}}", "cert-manager makes")]
    [TestCase(
        "agent: {runtimeSocket: /run/containerd/containerd.sock}", "config/containerd/README.md: the two programs,")]
    public void Notes_say_what_is_still_to_do(string values, params string[] said) =>
        Notes(values).Should().ContainAll(said);

    [TestCase("agent: {runtimeSocket: /run/containerd/containerd.sock}", "crio", "CRI-O")]
    [TestCase("agent: {installNodeFiles: false}", "The agents keep")]
    public void Notes_speak_of_nothing_that_is_not_there(string values, params string[] said) =>
        Notes(values).Should().NotContainAny(said);

    [Test]
    public void The_way_back_leaves_the_newer_CRDs()
    {
        var patch = File.ReadAllText(Path.Combine(Manifests.Root, "config/upgrade.md")).Split("```yaml\n")
            .Select(block => block.Split("```")[0])
            .Single(block => block.StartsWith("patches:", StringComparison.Ordinal));
        var expected = Kustomized("default").Select(Manifests.Name)
            .Where(name => !name.StartsWith("CustomResourceDefinition ", StringComparison.Ordinal)).ToList();

        Manifests.Overlay($"resources: [../config/default]\n{patch}").Select(Manifests.Name)
            .Where(name => !name.StartsWith("Namespace ", StringComparison.Ordinal)).Should().BeEquivalentTo(expected);
        Manifests.Parse(Manifests.Chart(Namespace, MyServer + "\ncrds: {install: false}")).Select(Manifests.Name)
            .Should().BeEquivalentTo(expected);
    }

    [Test]
    public async Task Is_taken_by_an_API_server_that_knows_every_field()
    {
        using var server = await ControlPlane.StartAsync(TestContext.CurrentContext.CancellationToken);
        // What the bench's API server does not store: RBAC.
        string[] unknown = ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];
        await server.KubectlAsync(null, "create", "namespace", Namespace);
        foreach (var objects in new[] { Manifests.Parse(Manifests.Chart(Namespace, MyServer)),
            Manifests.Kustomize("default") })
        {
            var known = objects.Where(o => !unknown.Contains(o["kind"]!.ToString())).ToList();
            known.Should().HaveCountGreaterThan(10);
            var (code, said) = await server.KubectlAsync(
                new JsonObject
                {
                    ["apiVersion"] = "v1",
                    ["kind"] = "List",
                    ["items"] = new JsonArray([.. known.Select(o => o.DeepClone())]),
                }.ToJsonString(),
                "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-");

            code.Should().Be(0, "it said: {0}", said);
        }
    }

    [Test]
    public async Task What_kustomize_has_left_is_the_release_s_after_the_lines_of_the_README()
    {
        using var server = await ControlPlane.StartAsync(TestContext.CurrentContext.CancellationToken);
        var left = Manifests.One(Manifests.Kustomize("default"), "RuntimeClass", "checkpoint-restore");
        (await server.KubectlAsync(left.ToJsonString(), "apply", "-f", "-")).Code.Should().Be(0);
        WhyNotHelms(await ReadAsync()).Should().HaveCount(3, "helm refuses it");
        var lines = File.ReadLines(Path.Combine(Manifests.Root, "charts/README.md")).Select(line => line.Trim())
            .Where(line => line.StartsWith("kubectl ", StringComparison.Ordinal)
                && line.Contains("runtimeclass", StringComparison.Ordinal)).ToList();
        lines.Should().NotBeEmpty();
        foreach (var line in lines)
        {
            var (code, said) = await server.KubectlAsync(null, line.Split(' ')[1..]);
            code.Should().Be(0, said);
        }

        WhyNotHelms(await ReadAsync()).Should().BeEmpty();
        var ours = Manifests.One(
            Manifests.Parse(Manifests.Chart(Namespace, MyServer)), "RuntimeClass", "checkpoint-restore");
        (await server.KubectlAsync(ours.ToJsonString(), "apply", "--validate=strict", "-f", "-")).Code
            .Should().Be(0, "nothing in it is immutable and different");

        async Task<JsonObject> ReadAsync() =>
            JsonNode.Parse(
                (await server.KubectlAsync(null, "get", "runtimeclass", "checkpoint-restore", "-o", "json")).Output)!
                .AsObject();
    }

    /// <summary>What helm finds wrong with an object that is there before its release: checkOwnership of
    /// its pkg/action/validate.go.</summary>
    private static IEnumerable<string> WhyNotHelms(JsonObject there) =>
        new (string Where, string Key, string Value)[]
        {
            ("labels", "app.kubernetes.io/managed-by", "Helm"),
            ("annotations", "meta.helm.sh/release-name", "checkpoints"),
            ("annotations", "meta.helm.sh/release-namespace", Namespace),
        }.Where(wanted => there["metadata"]![wanted.Where]?[wanted.Key]?.ToString() != wanted.Value)
            .Select(wanted => wanted.Key);

    private static string Notes(string values) =>
        Manifests.Chart(Namespace, MyServer + "\n" + values).Split("# NOTES\n")[1];

    /// <summary>What kustomize installs, with a server; helm makes the release's namespace
    /// itself (--create-namespace).</summary>
    private static IEnumerable<JsonObject> Kustomized(string folder, params string[] components)
    {
        var all = components.Length == 0 ? Manifests.Kustomize(folder) : Manifests.Overlay($"""
            resources: [../config/{folder}]
            components: [{string.Join(", ", components.Select(c => $"../config/{c}"))}]
            """);
        var objects = all.Where(o => o["kind"]!.ToString() != "Namespace").ToList();
        Manifests.One(objects, "PersistentVolume", "checkpoint-repo")["spec"]!["nfs"]!["server"] = "10.0.0.1";
        return objects;
    }

    private static Dictionary<string, string> Comparable(IEnumerable<JsonObject> objects) =>
        objects.ToDictionary(Manifests.Name, o =>
        {
            var metadata = o["metadata"]!.AsObject();
            foreach (var kind in new[] { "labels", "annotations" })
            {
                foreach (var key in metadata[kind]?.AsObject().Select(p => p.Key).ToList() ?? [])
                {
                    // Who installed it, and which version: that differs by its nature.
                    if (key.StartsWith("helm.sh/", StringComparison.Ordinal)
                        || key is "app.kubernetes.io/managed-by"
                            or "app.kubernetes.io/instance" or "app.kubernetes.io/version")
                    {
                        metadata[kind]!.AsObject().Remove(key);
                    }
                }

                if (metadata[kind]?.AsObject().Count == 0)
                {
                    metadata.Remove(kind);
                }
            }

            foreach (var container in new[] { "initContainers", "containers" }
                .SelectMany(list => o["spec"]?["template"]?["spec"]?[list]?.AsArray() ?? []))
            {
                // What Kubernetes takes for granted with a tag that is not latest.
                if (container!["imagePullPolicy"]?.ToString() == "IfNotPresent")
                {
                    container.AsObject().Remove("imagePullPolicy");
                }

                // Lists without an order, which kustomize's patches change.
                Sort(container.AsObject(), "env", "name");
                Sort(container.AsObject(), "volumeMounts", "mountPath");
            }

            Sort(o["spec"]?["template"]?["spec"]?.AsObject(), "volumes", "name");

            return o.ToJsonString(new System.Text.Json.JsonSerializerOptions { WriteIndented = true });
        });

    private static void Sort(JsonObject? of, string list, string key)
    {
        if (of?[list] is JsonArray items)
        {
            of[list] = new JsonArray(
                [.. items.OrderBy(item => item![key]!.ToString(), StringComparer.Ordinal)
                    .Select(item => item!.DeepClone())]);
        }
    }

    private static string? Env(JsonObject pod, string name) => pod["containers"]![0]!["env"]!.AsArray()
        .Single(e => e!["name"]!.ToString() == name)!["value"]?.ToString();

    private static JsonNode Volume(JsonObject pod, string name) =>
        pod["volumes"]!.AsArray().Single(v => v!["name"]!.ToString() == name)!;
}
