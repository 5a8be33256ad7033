using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Architecture;

/// <summary>What shellcheck says of the scripts; `cluster.sh install` brings it.</summary>
public sealed class ScriptTests
{
    private static readonly string[] Scripts =
        [.. RepositoryFiles.All.Where(file => file.EndsWith(".sh", StringComparison.Ordinal) || IsScript(file))];

    [Test]
    public void Those_that_run_on_nodes_are_among_them() => Scripts.Should().Contain(
        [
            ".ci/run",
            "agent/Restores/Handler/checkpoint-restore",
            "agent/Fences/Hook/checkpoint-fence",
            "test/LocalCluster/cluster.sh",
        ]);

    [TestCaseSource(nameof(Scripts))]
    public void Shellcheck_has_nothing_to_say(string script)
    {
        // SC2016: what another shell is to run is quoted on purpose.
        using var shellcheck = Process.Start(new ProcessStartInfo(
            "shellcheck", ["--external-sources", "--source-path=SCRIPTDIR", "--exclude=SC2016", "--format=gcc", script])
        {
            WorkingDirectory = RepositoryFiles.Root,
            RedirectStandardOutput = true,
        })!;
        var said = shellcheck.StandardOutput.ReadToEnd();
        shellcheck.WaitForExit();

        said.Should().BeEmpty();
        shellcheck.ExitCode.Should().Be(0);
    }

    private static bool IsScript(string file)
    {
        if (Path.HasExtension(file))
        {
            return false;
        }

        using var reader = new StreamReader(Path.Combine(RepositoryFiles.Root, file));
        return reader.ReadLine() is "#!/bin/sh" or "#!/bin/bash";
    }
}
