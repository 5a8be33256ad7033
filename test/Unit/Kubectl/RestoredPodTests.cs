using System.Text.Json;
using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl;
using PodCheckpointing.Kubectl.Restores;

namespace PodCheckpointing.Unit.Kubectl;

/// <summary>The pod that goes on from a checkpoint.</summary>
internal sealed class RestoredPodTests
{
    private static readonly ArtifactUri Artifact = ArtifactUri.ForPod("0b1c2d3e", "20261121t080000z-0b1c2d");

    [Test]
    public void Is_the_pod_that_was_dumped_and_nobodys_else()
    {
        var source = YamlFile.Pod("pod", new StringReader(
            """
            apiVersion: v1
            kind: Pod
            metadata:
              name: web
              uid: u
              resourceVersion: "12"
              labels: {app: web, pod-template-hash: x}
              annotations: {note: kept, kubectl.kubernetes.io/last-applied-configuration: "{}"}
              ownerReferences: [{kind: ReplicaSet, name: r-x, uid: v, apiVersion: apps/v1, controller: true}]
              finalizers: [some/thing]
            spec:
              nodeName: node-a
              overhead: {cpu: 1m}
              nodeSelector: {disk: fast}
              initContainers: [{name: once}, {name: proxy, restartPolicy: Always}]
              containers:
                - name: main
                  image: busybox
                  lifecycle: {postStart: {exec: {command: ["true"]}}, preStop: {exec: {command: ["true"]}}}
            status: {phase: Running}
            """));

        var pod = RestoredPod.From(source, Artifact, "again", "shop", "node-b");

        KubernetesJson.Serialize(pod).Should().Be(
            """
            {"apiVersion":"v1","kind":"Pod","metadata":{"name":"again","namespace":"shop","labels":{"app":"web"},"annotations":{"note":"kept","io.kubernetes.cri-o.checkpoint-restore":"shared://0b1c2d3e/20261121t080000z-0b1c2d","argocd.argoproj.io/compare-options":"IgnoreExtraneous","argocd.argoproj.io/sync-options":"Prune=false"}},"spec":{"nodeName":"node-b","runtimeClassName":"checkpoint-restore","initContainers":[{"name":"proxy","restartPolicy":"Always"}],"containers":[{"name":"main","image":"busybox","lifecycle":{"preStop":{"exec":{"command":["true"]}}}}],"nodeSelector":{"disk":"fast"}}}
            """);
    }

    [TestCase("ReplicaSet", "r-x", true)]
    [TestCase("StatefulSet", "s", true)]
    [TestCase("ReplicaSet", "r", false)]
    [TestCase("DaemonSet", "d", false)]
    public void Has_no_label_by_which_the_first_ones_controller_would_take_it_for_its_own(
        string kind, string owner, bool kept)
    {
        var source = new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = "web", Labels = new Dictionary<string, string> { ["app"] = "web", ["pod-template-hash"] = "x" },
                OwnerReferences =
                [
                    new V1OwnerReference
                    {
                        ApiVersion = "apps/v1",
                        Kind = kind,
                        Name = owner,
                        Uid = "v",
                        Controller = true,
                    },
                ],
            },
        };

        RestoredPod.From(source, Artifact, "again", "shop", "node-b").Metadata.Labels.Should().BeEquivalentTo(
            kept ? new Dictionary<string, string> { ["app"] = "web" } : null);
    }

    [Test]
    public void Is_nothing_that_Argo_CD_could_take_for_the_first_one_or_prune_as_taken_out_of_Git(
        [Values] bool selected)
    {
        var source = new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = "web",
                Labels = new Dictionary<string, string> { ["argocd.argoproj.io/instance"] = "shop" },
                Annotations = new Dictionary<string, string>
                {
                    ["argocd.argoproj.io/tracking-id"] = "shop:/Pod:shop/web",
                    ["argocd.argoproj.io/installation-id"] = "main",
                    ["argocd.argoproj.io/sync-options"] = "Replace=true",
                },
            },
        };
        if (selected)
        {
            source.Metadata.Labels["app.kubernetes.io/instance"] = "shop";
        }

        var clone = RestoredPod.From(source, Artifact, "again", "shop", "node-b").Metadata;

        clone.Annotations!.Keys.Should().NotContain(
            ["argocd.argoproj.io/tracking-id", "argocd.argoproj.io/installation-id"]);
        clone.Labels.Should().BeEquivalentTo(
            selected ? new Dictionary<string, string> { ["app.kubernetes.io/instance"] = "shop" } : null,
            "Services may select by it, too");
        clone.Annotations!["argocd.argoproj.io/sync-options"].Should().Be(selected ? "Prune=false" : "Replace=true");
        clone.Annotations.ContainsKey("argocd.argoproj.io/compare-options").Should().Be(selected);
    }

    [TestCase("a: 1", """{"a":1}""")]
    [TestCase("a: \"1\"", """{"a":"1"}""")]
    [TestCase("a: yes", """{"a":"yes"}""")]
    [TestCase("a: true", """{"a":true}""")]
    [TestCase("a: -0.5", """{"a":-0.5}""")]
    [TestCase("a: 1Gi", """{"a":"1Gi"}""")]
    [TestCase("a: 0400", """{"a":256}""")]
    [TestCase("a: \"0400\"", """{"a":"0400"}""")]
    [TestCase("a: -0400", """{"a":-256}""")]
    [TestCase("a: 0o400", """{"a":256}""")]
    [TestCase("a: 0x1F", """{"a":31}""")]
    [TestCase("a: 0b11", """{"a":3}""")]
    [TestCase("a: 0800", """{"a":800}""")]
    [TestCase("a: 0", """{"a":0}""")]
    [TestCase("a: 0o", """{"a":"0o"}""")]
    [TestCase("a: 1_000", """{"a":1000}""")]
    [TestCase("a: 1e3", """{"a":1000}""")]
    [TestCase("a: 1e999", """{"a":"1e999"}""")]
    [TestCase("a: -Infinity", """{"a":"-Infinity"}""")]
    [TestCase("a: 1.2.3", """{"a":"1.2.3"}""")]
    [TestCase("a: ~", """{"a":null}""")]
    [TestCase("a:", """{"a":null}""")]
    [TestCase("a: [x, {b: 'no'}]", """{"a":["x",{"b":"no"}]}""")]
    [TestCase("{\"a\": \"x\"}", """{"a":"x"}""")]
    public void Reads_plain_words_as_kubectl_does(string yaml, string json)
    {
        var stream = new YamlDotNet.RepresentationModel.YamlStream();
        stream.Load(new StringReader(yaml));

        YamlFile.Json(stream.Documents[0].RootNode)!.ToJsonString(JsonSerializerOptions.Default).Should().Be(json);
    }

    [TestCase("kind: Deployment", "must hold one object of kind Pod and nothing else")]
    [TestCase("kind: Pod\n---\nkind: Pod", "must hold one object of kind Pod and nothing else")]
    [TestCase("", "must hold one object of kind Pod and nothing else")]
    [TestCase("kind: [", "--filename pod.yaml: line ")]
    [TestCase("kind: Pod\nspec: {hostNetwork: maybe}", "$.spec.hostNetwork")]
    public void Refuses_another_file(string text, string message)
    {
        var exception =
            FluentActions.Invoking(
                () => YamlFile.Pod("pod.yaml", new StringReader(text))).Should().Throw<CommandException>().Which;

        exception.Message.Should().Contain(message);
        exception.ExitCode.Should().Be(ExitCode.Usage);
    }
}
