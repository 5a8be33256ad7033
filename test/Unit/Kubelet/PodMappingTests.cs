using System.Text.Json;
using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.TestKubelet;
using PodCheckpointing.TestKubelet.Pods;

namespace PodCheckpointing.Unit.Kubelet;

public sealed class PodMappingTests
{
    private string _root = null!;
    private KubeletOptions _options = null!;

    [SetUp]
    public void Begin()
    {
        _root = Directory.CreateTempSubdirectory("kubelet").FullName;
        _options =
            new KubeletOptions
            {
                NodeName = "node-a",
                NodeIP = "10.0.0.1",
                RootDirectory = _root,
                CgroupParent = "/pc",
            };
    }

    [TearDown]
    public void End() => Directory.Delete(_root, recursive: true);

    [TestCase("100m", 0.1)]
    [TestCase("2", 2)]
    [TestCase("1.5", 1.5)]
    [TestCase("64Mi", 67108864)]
    [TestCase("2G", 2e9)]
    public void Reads_quantities(string text, double value) => Quantity.Parse(text).Should().Be((decimal)value);

    [TestCase("")]
    [TestCase("Mi")]
    [TestCase("1 Mi")]
    [TestCase("-1")]
    [TestCase("1Ei")]
    public void Refuses_what_is_no_quantity(string text) =>
        FluentActions.Invoking(() => Quantity.Parse(text))
            .Should().Throw<NotSupportedException>().WithMessage($"\"{text}\"*");

    [Test]
    public void Hands_limits_and_the_security_context_on()
    {
        var pod = Pod("""
            {"resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "64Mi", "cpu": "2"}},
             "securityContext": {"runAsUser": 7, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}}
            """);

        var linux = PodMapping.Container(pod, pod.Spec.Containers[0], 0, PodSources.None, _options).Linux;

        linux.Resources.MemoryLimitInBytes.Should().Be(64 << 20);
        linux.Resources.CpuQuota.Should().Be(2 * linux.Resources.CpuPeriod);
        linux.Resources.CpuShares.Should().Be(512);
        linux.SecurityContext.RunAsUser.Value.Should().Be(7);
        linux.SecurityContext.ReadonlyRootfs.Should().BeTrue();
        linux.SecurityContext.Capabilities.DropCapabilities.Should().Equal("ALL");
    }

    [TestCase("/pc", "{}", "/pc/pod1-2")]
    [TestCase("kubepods.slice", "{}", "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1_2.slice")]
    [TestCase("kubepods.slice", """{"resources": {"limits": {"memory": "64Mi"}}}""",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice")]
    public void Names_a_pods_cgroup_as_its_driver_does(string parent, string container, string expected)
    {
        var pod = Pod(container);
        _options.CgroupParent = parent;

        pod = pod with { Metadata = pod.Metadata with { Uid = "1-2" } };
        PodMapping.Sandbox(pod, _options).Linux.CgroupParent.Should().Be(expected);
    }

    [TestCase("""{"securityContext": {"procMount": "Unmasked"}}""", "securityContext.procMount")]
    [TestCase("""{"volumeMounts": [{"name": "v", "mountPath": "/v"}]}""", "volume v")]
    [TestCase("""{"env": [{"name": "E", "valueFrom": {"resourceFieldRef": {}}}]}""", "env E")]
    public void Refuses_what_it_cannot_do(string container, string named)
    {
        var pod = Pod(container);

        FluentActions.Invoking(() => PodMapping.Container(pod, pod.Spec.Containers[0], 0, PodSources.None, _options))
            .Should().Throw<NotSupportedException>().WithMessage($"*{named}*");
    }

    [Test]
    public void Fills_a_downward_volume_and_no_path_leads_out_of_it()
    {
        var pod = Pod(
            "{}",
            """[{"name": "d", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}]""");
        Volumes.Prepare(pod, PodSources.None, _options);
        File.ReadAllText(Path.Combine(Volumes.PathOf(pod, pod.Spec.Volumes![0], PodSources.None, _options), "labels"))
            .Should().Be("app=\"x\"");

        var evil = Pod(
            "{}",
            """[{"name": "d", "downwardAPI": {"items": [{"path": "../../x", "fieldRef": {"fieldPath": "metadata.name"}}]}}]""");
        FluentActions.Invoking(() => Volumes.Prepare(evil, PodSources.None, _options))
            .Should().Throw<NotSupportedException>().WithMessage("*leads out*");
    }

    [Test]
    public void Refuses_a_volume_that_it_does_not_know()
    {
        var pod = Pod("{}", """[{"name": "n", "nfs": {"server": "s", "path": "/"}}]""");
        FluentActions.Invoking(() => Volumes.Prepare(pod, PodSources.None, _options))
            .Should().Throw<NotSupportedException>().WithMessage("volume n:*");
    }

    private static V1Pod Pod(string container, string volumes = "[]")
    {
        var merged = JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(container)!;
        merged["name"] = JsonSerializer.SerializeToElement("c");
        merged["image"] = JsonSerializer.SerializeToElement("i");
        return k8s.KubernetesJson.Deserialize<V1Pod>($$$"""
            {"metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"app": "x"}},
             "spec": {"containers": [{{{JsonSerializer.Serialize(merged)}}}], "volumes": {{{volumes}}}}}
            """);
    }
}
