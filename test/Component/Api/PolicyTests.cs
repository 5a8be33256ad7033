using System.Text.Json;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Component.Api;

/// <summary>The policies of config/policies on a real API server, attacked as a user of the cluster would.</summary>
public sealed class PolicyTests
{
    private const string Operator = "system:serviceaccount:pod-checkpointing-system:pod-checkpointing-operator";
    private const string Annotation = "io.kubernetes.cri-o.checkpoint-restore";
    private const string Whole = "shared://3b5a7c1e-0d52-4c8e-9a3e-6f0b1d2c3e4f/20261121t003412z-7f3a9c";
    private const string Foreign = "shared://9f1c2d3e-0d52-4c8e-9a3e-6f0b1d2c3e4f/20261121t003412z-7f3a9c";

    private ControlPlane _cluster = null!;

    // Its own server: the other tests write statuses as anybody.
    [OneTimeSetUp]
    public async Task StartAsync()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(180));
        _cluster = await ControlPlane.StartAsync(deadline.Token);
        await _cluster.InstallDefinitionsAsync();
        await MustAsync(null, "apply", "-k", Path.Combine(Samples.Definitions, "..", "policies"));

        // The server sees its policies through a watch: each counts as soon as it has refused something.
        await RefusedAtLastAsync(Pod("probe", "nonsense"), "create", "--dry-run=server", "-f", "-");
        await MustAsync(Content("bound", null), "create", "-f", "-");
        await RefusedAtLastAsync(Content("probe", "a1"), "create", "--dry-run=server", "-f", "-");
        await MustAsync(
            "{apiVersion: lpm.my.domain/v1, kind: CheckpointNode, metadata: {name: node-a}}", "create", "-f", "-");
        await MustAsync(
            "{apiVersion: lpm.my.domain/v1, kind: PodCheckpoint, metadata: {name: web}, spec: {podName: web}}",
            "create", "-f", "-");
        await RefusedAtLastAsync(
            null,
            "patch",
            "pcp",
            "web",
            "--subresource=status",
            "--type=merge",
            "--dry-run=server",
            "-p",
            """{"status":{"ready":false}}""");
    }

    [OneTimeTearDown]
    public void Stop() => _cluster?.Dispose();

    [TestCase(Whole)]
    [TestCase(Whole + "/counter/dump.tar.zst")]
    public Task Anybody_may_ask_for_a_checkpoint_in_a_new_pod(string uri) => AllowsAsync(
        "alice", Pod("restored", uri), "create", "--dry-run=server", "-f", "-");

    [TestCase("")]
    [TestCase("/mnt/checkpoints/x/y")]
    [TestCase("shared://../20261121t003412z-7f3a9c")]
    [TestCase("shared://3b5a7c1e/../../etc")]
    [TestCase("shared://3b5a7c1e/20261121t003412z-7f3a9c/../../x/dump.tar.zst")]
    [TestCase(Whole + "/a/b/dump.tar.zst")]
    [TestCase(Whole + "/counter/dump.tar.gz")]
    [TestCase(Whole + "/")]
    [TestCase(Whole + "\\n")]
    [TestCase(" " + Whole)]
    [TestCase("https://registry/checkpoint")]
    public Task Nobody_may_ask_for_anything_else(string uri) => RefusesAsync(
        Operator, "must be shared://<podUID>/<checkpointID>", Pod("restored", uri), "create", "-f", "-");

    [TestCase("")]
    [TestCase(", runtimeClassName: other")]
    public Task Not_without_the_runtime_class(string runtimeClass) => RefusesAsync(
        "alice", "needs runtimeClassName checkpoint-restore", Pod("restored", Whole, runtimeClass), "create",
        "-f", "-");

    [Test]
    public async Task A_standing_pod_is_not_given_a_checkpoint()
    {
        await AllowsAsync("alice", Pod("plain", null, ""), "create", "-f", "-");

        const string refusal = "only the operator may add, change or remove the annotation";
        await RefusesAsync("alice", refusal, null, "annotate", "pod", "plain", $"{Annotation}={Whole}");
        await RefusesAsync("alice", refusal, null, "annotate", "pod", "plain", $"{Annotation}=");
        await RefusesAsync(
            "system:node:node-a", refusal, null, "patch", "pod", "plain", "--subresource=status", "-p", Patch(Whole));
        await RefusesAsync(
            "alice", refusal, Pod("plain", Whole, ""), "apply", "--server-side", "--force-conflicts", "-f", "-");
        await AllowsAsync("alice", null, "label", "pod", "plain", "color=blue");
        await AllowsAsync("alice", null, "annotate", "pod", "plain", "color=blue");
        await AllowsAsync(Operator, null, "annotate", "pod", "plain", $"{Annotation}={Whole}");
    }

    [Test]
    public async Task A_checked_checkpoint_is_not_changed_for_another()
    {
        await AllowsAsync("alice", Pod("clone", Whole), "create", "-f", "-");

        const string refusal = "only the operator may add, change or remove the annotation";
        await RefusesAsync(
            "alice", refusal, null, "annotate", "--overwrite", "pod", "clone", $"{Annotation}={Foreign}");
        await RefusesAsync("alice", refusal, null, "annotate", "pod", "clone", $"{Annotation}-");
        await RefusesAsync(
            "alice", refusal, null, "patch", "pod", "clone", "--subresource=status", "-p", Patch(Foreign));
        await AllowsAsync(
            "system:node:node-a", null, "patch", "pod", "clone", "--subresource=status", "-p",
            """{"status":{"phase":"Running"}}""");
        await AllowsAsync("alice", null, "delete", "pod", "clone", "--wait=false");
    }

    [TestCase("bare", "pods/bare/binding")]
    [TestCase("older", "bindings")]
    public async Task A_binding_does_not_smuggle_a_checkpoint_in(string pod, string way)
    {
        await AllowsAsync("alice", Pod(pod, null, ""), "create", "-f", "-");
        string[] bind = ["create", "--raw", $"/api/v1/namespaces/default/{way}", "-f", "-"];

        await RefusesAsync("scheduler", "a binding may not carry the annotation", Binding(pod, Whole), bind);
        await AllowsAsync("scheduler", Binding(pod, null), bind);

        (await _cluster.KubectlAsync(
            null, "get", "pod", pod, "-o", "jsonpath={.spec.nodeName} {.metadata.annotations}"))
            .Output.Should().Be("""node-a {"color":"blue","shape":"round"}""");
    }

    [TestCase("pcp", "web", "PodCheckpoint")]
    [TestCase("pcpc", "bound", "PodCheckpointContent")]
    [TestCase("cpn", "node-a", "CheckpointNode", """{"status":{"criuVersion":"9"}}""")]
    public async Task A_status_is_the_operators_only(
        string kind, string name, string called, string status = """{"status":{"ready":false}}""")
    {
        string[] patch = ["patch", kind, name, "--subresource=status", "--type=merge", "-p", status];

        await RefusesAsync("alice", $"the status of {called}s is written by the operator only", null, patch);
        await RefusesAsync(
            "system:serviceaccount:default:pod-checkpointing-operator", "by the operator only", null, patch);
        await AllowsAsync(Operator, null, patch);
        await AllowsAsync(
            "alice", null, "patch", "pcp", "web", "--type=merge", "-p", """{"spec":{"deletionPolicy":"Retain"}}""");
    }

    [Test]
    public async Task A_content_is_bound_by_the_operator_only()
    {
        const string refusal = "only the operator may bind a content to a claim's uid";
        await AllowsAsync("admin", Content("offered", null), "create", "-f", "-");
        await RefusesAsync("admin", refusal, Content("taken", "a1"), "create", "-f", "-");
        await RefusesAsync("admin", refusal, Content("offered", "a1"), "apply", "-f", "-");
        await AllowsAsync(Operator, Content("offered", "a1"), "apply", "-f", "-");
        await AllowsAsync(
            "admin", null, "patch", "pcpc", "offered", "--type=merge", "-p",
            """{"spec":{"deletionPolicy":"Delete"}}""");
        await RefusesAsync(
            "admin",
            "podCheckpointRef is bound by uid",
            null,
            "patch",
            "pcpc",
            "offered",
            "--type=merge",
            "-p",
            """{"spec":{"podCheckpointRef":{"uid":"b2"}}}""");
    }

    private static string Pod(string name, string? uri, string runtimeClass =
        ", runtimeClassName: checkpoint-restore") => $$"""
        apiVersion: v1
        kind: Pod
        metadata: { name: {{name}}, namespace: default{{(uri is null ? "" : $", annotations: {{ {Annotation}: \"{uri}\" }}")}} }
        spec: {containers: [{name: counter, image: busybox}]{{runtimeClass}}}
        """;

    private static string Patch(string uri) => $$"""{"metadata":{"annotations":{"{{Annotation}}":"{{uri}}"} } }""";

    private static string Binding(string pod, string? uri) => JsonSerializer.Serialize(new
    {
        apiVersion = "v1",
        kind = "Binding",
        metadata = new
        {
            name = pod,
            annotations = new Dictionary<string, string> { ["color"] = "blue", [uri is null
                ? "shape"
                : Annotation] = uri ?? "round" },
        },
        target = new { apiVersion = "v1", kind = "Node", name = "node-a" },
    });

    private static string Content(string name, string? uid) => $$"""
        apiVersion: lpm.my.domain/v1
        kind: PodCheckpointContent
        metadata: {name: {{name}}}
        spec:
          podCheckpointRef: {namespace: default, name: web{{(uid is null ? "" : $", uid: {uid}")}}}
          deletionPolicy: Retain
          source: {podNamespace: default, podName: web, podUID: a1, nodeName: node-a, checkpointID: 20261121t003412z-7f3a9c}
        """;

    private async Task AllowsAsync(string user, string? input, params string[] arguments)
    {
        var (code, output) = await _cluster.KubectlAsync(input, ["--as", user, .. arguments]);
        code.Should().Be(0, output);
    }

    private async Task RefusesAsync(string user, string message, string? input, params string[] arguments)
    {
        var (code, output) = await _cluster.KubectlAsync(input, ["--as", user, .. arguments]);
        code.Should().NotBe(0, output);
        output.Should().Contain(message);
    }

    private async Task MustAsync(string? input, params string[] arguments)
    {
        var (code, output) = await _cluster.KubectlAsync(input, arguments);
        code.Should().Be(0, output);
    }

    private async Task RefusedAtLastAsync(string? input, params string[] arguments)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(180));
        string output;
        do
        {
            deadline.Token.ThrowIfCancellationRequested();
            (_, output) = await _cluster.KubectlAsync(input, arguments);
        }
        while (!output.Contains("ValidatingAdmissionPolicy", StringComparison.Ordinal));
    }
}
