using System.Text.RegularExpressions;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Component.Deploy;

/// <summary>The Vagrantfile as far as it can be tried without a hypervisor. shellcheck
/// reads the scripts elsewhere.</summary>
[TestFixture]
public sealed partial class VagrantTests
{
    private static readonly string Scripts = Path.Combine(Manifests.Root, "config/vagrant");

    [Test]
    public void Vagrant_takes_the_Vagrantfile()
    {
        var home = Directory.CreateTempSubdirectory("pod-checkpointing-vagrant").FullName;
        try
        {
            // Its own home: vagrant writes there, and into .vagrant beside the file.
            File.Copy(Path.Combine(Manifests.Root, "Vagrantfile"), Path.Combine(home, "Vagrantfile"));
            var said = Manifests.Run("/bin/bash", "-c", $$"""
                set -eu
                {{Manifests.Root}}/test/Component/Deploy/Vagrant/install.sh
                cd {{home}}
                mkdir config && ln -s {{Scripts}} config/vagrant
                VAGRANT_HOME={{home}}/home exec vagrant validate --ignore-provider
                """);

            said.Should().Contain("Vagrantfile validated successfully");
        }
        finally
        {
            Directory.Delete(home, recursive: true);
        }
    }

    [Test]
    public void Every_step_of_the_Vagrantfile_is_a_script_and_every_script_is_one()
    {
        var vagrantfile = File.ReadAllText(Path.Combine(Manifests.Root, "Vagrantfile"));
        var steps = Steps().Match(vagrantfile).Groups[1].Value.Split(' ').Concat(["master", "worker"]).ToList();

        steps.Should().HaveCountGreaterThan(5).And.OnlyContain(s => File.Exists(Path.Combine(Scripts, $"{s}.sh")));
        // try.sh is for people, versions.sh is read by the others.
        Directory.GetFiles(Scripts, "*.sh").Select(Path.GetFileNameWithoutExtension)
            .Should().BeEquivalentTo(steps.Concat(["try", "versions"]));
    }

    [Test]
    public void The_machines_are_told_every_name_that_their_scripts_use()
    {
        var vagrantfile = File.ReadAllText(Path.Combine(Manifests.Root, "Vagrantfile"));
        var used = Directory.GetFiles(Scripts, "*.sh")
            .SelectMany(f => Variable().Matches(File.ReadAllText(f)).Select(m => m.Groups[1].Value))
            .Distinct().Except(["KUBECONFIG", "DEBIAN_FRONTEND"]);

        used.Should().NotBeEmpty().And.OnlyContain(
            name => vagrantfile.Contains($"\"{name}\" =>", StringComparison.Ordinal));
    }

    [Test]
    public void The_first_step_demands_the_images_that_a_later_one_takes()
    {
        var shared = Directory.CreateTempSubdirectory("pod-checkpointing-vagrant");
        try
        {
            var images = shared.CreateSubdirectory("artifacts/images").FullName;
            var step = Path.Combine(shared.FullName, "system.sh");
            // What comes after the demand is for a machine of its own.
            var text = File.ReadAllText(Path.Combine(Scripts, "system.sh")).Replace(
                "/vagrant/", $"{shared.FullName}/", StringComparison.Ordinal);
            File.WriteAllText(step, text[..text.IndexOf("swapoff", StringComparison.Ordinal)]);

            foreach (var image in new[] { "operator", "agent" })
            {
                FluentActions.Invoking(() => Manifests.Run("/bin/bash", step))
                    .Should().Throw<InvalidOperationException>()
                    .WithMessage($"artifacts/images/{image}.tar is not there: make images*");
                File.WriteAllText(Path.Combine(images, $"{image}.tar"), "");
            }

            Manifests.Run("/bin/bash", step).Should().BeEmpty();
        }
        finally
        {
            shared.Delete(recursive: true);
        }
    }

    [Test]
    public void CRI_O_is_set_up_as_its_README_says()
    {
        var readme = File.ReadAllLines(Path.Combine(Manifests.Root, "config/crio/README.md"))
            .Where(l => l.StartsWith("install ", StringComparison.Ordinal) || l == "systemctl restart crio")
            .Distinct()
            .ToList();
        var step = File.ReadAllLines(Path.Combine(Scripts, "crio.sh"))
            .Select(l => l.Replace("/vagrant/", "", StringComparison.Ordinal))
            .ToList();

        readme.Should().HaveCount(4);
        step.Where(readme.Contains).Should().Equal(readme);
    }

    [Test]
    public void The_volume_is_where_the_master_serves_it()
    {
        var volume =
            Manifests.One(Manifests.Kustomize("vagrant"), "PersistentVolume", "checkpoint-repo")["spec"]!["nfs"]!;

        File.ReadAllText(Path.Combine(Manifests.Root, "Vagrantfile"))
            .Should().Contain($"\"master\" => {{ ip: \"{volume["server"]}\"");
        File.ReadAllText(Path.Combine(Scripts, "storage.sh")).Should().Contain($"echo \"{volume["path"]} ");
    }

    // The names of the packages are the same in Ubuntu 22.04, which is Debian 12 but a few months.
    [Test]
    public void Packages_that_are_the_distributions_own_exist()
    {
        var names = File.ReadAllText(Path.Combine(Scripts, "criu.sh"))
            .Replace("\\\n", " ", StringComparison.Ordinal)
            .Split('\n')
            .Single(l => l
                .StartsWith("apt-get -q -y install", StringComparison.Ordinal))["apt-get -q -y install".Length..]
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);

        var known = Manifests.Run(
            "/bin/sh",
            ["-c", "apt-cache show --no-all-versions \"$@\" 2>/dev/null | sed -n 's/^Package: //p'", "sh", .. names])
            .Split('\n');
        names.Should().HaveCountGreaterThan(15).And.BeSubsetOf(known);
    }

    [GeneratedRegex(@"%w\[([a-z ]+)\]")]
    private static partial Regex Steps();

    [GeneratedRegex(@"\$\{?([A-Z_]{4,})")]
    private static partial Regex Variable();
}
