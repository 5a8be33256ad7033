using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Component.Deploy;

/// <summary>The steps of the Vagrantfile, run one after the other in a Debian tree, and then once more. What stands in
/// for what cannot be had here is told by Vagrant/tree.sh and Vagrant/machine.sh.</summary>
[TestFixture]
public sealed class VagrantStepsTests
{
    // What of the steps is not run, and why.
    private static readonly string[] Skipped =
    [
        // No runtime and no kubelet can be had: their packages here hold units, which
        // are enabled, and started by nobody.
        "crio", "kubelet",
        // Modules and swap are the whole machine's, which the tests run on.
        "modprobe", "swapoff",
    ];

    private static readonly string Folder = Path.Combine(Manifests.Root, "test/Component/Deploy/Vagrant");
    private DirectoryInfo _work = null!;

    [OneTimeSetUp]
    public void RunBoth()
    {
        _work = Directory.CreateTempSubdirectory("pod-checkpointing-vagrant");
        var shared = _work.CreateSubdirectory("shared").FullName;
        Manifests.Run(
            "cp", "-rL", Path.Combine(Manifests.Root, "config"), Path.Combine(Manifests.Root, "charts"), shared);
        foreach (var programs in new[] { "agent/Restores/Handler", "agent/Fences/Hook" })
        {
            Manifests.Run(
                "cp",
                "-rL",
                Path.Combine(Manifests.Root, programs),
                _work.CreateSubdirectory($"shared/{Path.GetDirectoryName(programs)}").FullName);
        }

        Directory.CreateDirectory(Path.Combine(shared, "artifacts/images"));
        foreach (var image in new[] { "operator", "agent" })
        {
            // An OCI archive like those of "make images".
            File.Copy(PauseImage(), Path.Combine(shared, $"artifacts/images/{image}.tar"));
        }

        Manifests.Run("/bin/bash", Path.Combine(Folder, "install.sh"));
        TestContext.Progress.WriteLine("Making the tree of the machines, unless it stands: CRIU and crun are compiled");
        var tree = Manifests.Run("/bin/bash", Path.Combine(Folder, "tree.sh")).Trim();
        foreach (var machine in new[] { "master", "worker" })
        {
            TestContext.Progress.WriteLine($"The steps of machine {machine}, twice");
            try
            {
                Manifests.Run(
                    "/bin/bash", "-c",
                    $"set -o pipefail; ruby {Folder}/plan.rb {Manifests.Root}/Vagrantfile | {Folder}/machine.sh "
                        + $"{machine} {tree} {Api.ApiServerParts.Find()} {shared} {_work.FullName}/{machine}");
            }
            catch (TimeoutException exception)
            {
                var log = Path.Combine(_work.FullName, machine, "log");
                throw new TimeoutException(
                    $"{exception.Message}\n{(File.Exists(log) ? string.Join('\n', File.ReadLines(log).TakeLast(40)) : "no log")}",
                    exception);
            }
        }
    }

    [OneTimeTearDown]
    public void Remove() => _work.Delete(recursive: true);

    [TestCase("master")]
    [TestCase("worker")]
    public void A_second_run_leaves_every_file_as_it_was(string machine)
    {
        var first = File.ReadAllLines(Path.Combine(_work.FullName, machine, "files.1"));

        first.Should().HaveCountGreaterThan(200);
        File.ReadAllLines(Path.Combine(_work.FullName, machine, "files.2")).Should().Equal(first);
    }

    [TestCase("master", "192.168.56.10", "1", "10.244.2.0/24 via 192.168.56.11")]
    [TestCase("worker", "192.168.56.11", "2", "10.244.1.0/24 via 192.168.56.10")]
    public void A_machine_is_ready_for_pods(string machine, string address, string index, string route) =>
        Facts(machine).Should().Contain(
        [
            "fstab: #/swap.img none swap sw 0 0",
            "forwarding: 1",
            $"route: {route} dev eth1",
            $"address: {address} STREAM {machine}",
            "crun has CRIU",
            // CRI-O's own network is gone.
            "networks: 10-pods.conflist",
            $"pods: 10.244.{index}.0/24",
            "enabled: crio enabled",
            "enabled: kubelet enabled",
            "enabled: pod-routes enabled",
            "image: localhost/pod-checkpointing-operator",
            "image: localhost/checkpoint-agent",
        ]).And.ContainSingle(l => l.StartsWith("criu: 4."));

    [Test]
    public void The_master_serves_the_volume_and_has_everything_installed() =>
        Facts("master").Should().Contain(
        [
            "volume: 192.168.56.10:/srv/checkpoints",
            "taints: ",
            "object: deployment.apps/pod-checkpointing-operator",
            "object: daemonset.apps/checkpoint-agent",
            "object: customresourcedefinition.apiextensions.k8s.io/podmigrations.lpm.my.domain",
            "object: secret/checkpoint-agent-tls",
            "object: secret/pod-checkpointing-operator-tls",
        ]).And.ContainSingle(l => l.StartsWith("exports: /srv/checkpoints") && l.Contains("192.168.56.0/24("));

    [TestCase("master")]
    [TestCase("worker")]
    public void CRI_O_finds_every_program_of_its_configuration_when_it_starts(string machine) =>
        Facts(machine).Where(f => f.StartsWith("crio ", StringComparison.Ordinal)).Distinct().Should().BeEquivalentTo(
            "crio has: /usr/libexec/pod-checkpointing/checkpoint-restore",
            "crio has: /usr/libexec/pod-checkpointing/checkpoint-fence",
            "crio has: /usr/bin/crun");

    [TestCase("master")]
    [TestCase("worker")]
    public void What_restores_is_the_crun_that_was_built(string machine) =>
        Facts(machine).Should().ContainSingle(f => f == "handler's crun: /usr/bin/crun");

    [Test]
    public void The_worker_joins_the_master() =>
        Facts("worker").Should().Contain("joined: server: https://192.168.56.10:6443");

    [Test]
    public void What_is_skipped_is_named_in_the_steps()
    {
        var steps = string.Concat(
            Directory.GetFiles(Path.Combine(Manifests.Root, "config/vagrant"), "*.sh").Select(File.ReadAllText));

        Skipped.Should().OnlyContain(word => steps.Contains(word, StringComparison.Ordinal));
    }

    private string[] Facts(string machine) => File.ReadAllLines(Path.Combine(_work.FullName, machine, "facts"));

    private static string PauseImage() => Directory.GetDirectories(
            Environment.GetEnvironmentVariable("POD_CHECKPOINTING_CACHE") ?? "/var/cache/pod-checkpointing", "images-*")
        .Select(d => Path.Combine(d, "pause.tar")).First(File.Exists);
}
