using System.Text.Json;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Agent.Runtimes;

namespace PodCheckpointing.Unit.Agent;

/// <summary>What is read from the texts of the runtime and of the kernel.</summary>
internal sealed class ContainerRuntimeTests
{
    private const string Agents =
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podA.slice/crio-a.scope";

    [TestCase("0::/kubepods.slice/crio-1.scope", "", "/kubepods.slice/crio-1.scope")]
    [TestCase("0::/", "", "")]
    [TestCase("0::/", Agents, Agents)]
    [TestCase("0::/../../../kubepods-burstable.slice/kubepods-burstable-podX.slice/crio-1.scope/container", Agents,
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podX.slice/crio-1.scope/container")]
    [TestCase("0::/../../../../init.scope", Agents, "/init.scope")]
    public void Whether_a_group_is_frozen_is_asked_of_the_kernels_own_file(string line, string root, string folder) =>
        ControlGroup.FrozenFile(ControlGroup.PathIn(["4:freezer:/kubepods/1", line])!, root).Should()
            .Be($"/proc/1/root/sys/fs/cgroup{folder}/cgroup.events");

    [Test]
    public void No_group_of_version_1_says_whether_it_is_frozen() =>
        ControlGroup.PathIn(["4:freezer:/kubepods/1"]).Should().BeNull();

    [TestCase("0::/", "0::" + Agents, Agents)]
    [TestCase("0::/below", "0::" + Agents + "/below", Agents)]
    [TestCase("0::" + Agents, "0::" + Agents, "", Description = "a name space with the node")]
    [TestCase("0::/", "", "", Description = "who may not join the node's")]
    [TestCase("4:freezer:/kubepods/1", "4:freezer:/kubepods/1", "")]
    public void The_root_of_the_agents_groups_is_found_by_how_the_node_sees_it(
        string here, string there, string root) =>
        ControlGroup.RootOf([here], [there]).Should().Be(root);

    [TestCase("run/crun/c1/status", "crun")]
    [TestCase("run/containerd/runc/k8s.io/c1/status", "crun")]
    [TestCase("run/runc/c1/state.json", "runc")]
    [TestCase("run/containerd/runc/k8s.io/c1/state.json", "runc")]
    [TestCase("run/crun/c2/status", "")]
    public void Which_runtime_has_made_a_container_shows_in_the_state_that_it_keeps(string file, string runtime)
    {
        var root = Directory.CreateTempSubdirectory("runtime").FullName;
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(root, file))!);
        File.WriteAllText(Path.Combine(root, file), "");

        ContainerRuntime.MakerOf("c1", root).Should().Be(runtime);

        Directory.Delete(root, recursive: true);
    }

    [TestCase(
        """{"snapshotter":"overlayfs","runtimeSpec":{"hooks":{"createRuntime":[{"path":"/bin/true"},{"path":"/usr/libexec/pod-checkpointing/checkpoint-fence"}]}}}""",
        false)]
    [TestCase(
        """{"snapshotter":"overlayfs","runtimeSpec":{"hooks":{"poststop":[{"path":"/usr/libexec/pod-checkpointing/checkpoint-fence"}]}}}""",
        true)]
    [TestCase("""{"snapshotter":"overlayfs","runtimeSpec":{"hooks":{"createRuntime":[{"path":"/bin/true"}]}}}""", true)]
    [TestCase("""{"snapshotter":"overlayfs","runtimeSpec":{"hooks":null}}""", true)]
    [TestCase("""{"snapshotter":"overlayfs","runtimeSpec":{}}""", true)]
    [TestCase("""{"sandboxID":"1","pid":7,"runtimeSpec":{}}""", false, Description = "CRI-O has a folder of hooks")]
    public void A_container_of_containerd_has_the_hooks_that_its_own_specification_names(string info, bool lacks)
    {
        using var document = JsonDocument.Parse(info);
        ContainerRuntime.LacksHook(document.RootElement).Should().Be(lacks);
    }

    [TestCase(
        """{"pid":7,"runtimeSpec":{"linux":{"namespaces":[{"type":"pid"},{"type":"network","path":"/var/run/netns/cni-1"}]}}}""",
        "/var/run/netns/cni-1")]
    [TestCase("""{"runtimeSpec":{"linux":{"namespaces":[{"type":"network"}]}}}""", "")]
    [TestCase("""{"runtimeSpec":{"linux":{"namespaces":[{"type":"pid"}]}}}""", "")]
    [TestCase("""{"pid":7}""", "")]
    public void The_sandboxs_network_is_read_from_what_the_runtime_tells(string info, string path) =>
        ContainerRuntime.NetworkNamespaceIn(info).Should().Be(path);
}
