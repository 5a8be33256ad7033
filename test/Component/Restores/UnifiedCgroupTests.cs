using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Component.Deploy;
using PodCheckpointing.Generate;

namespace PodCheckpointing.Component.Restores;

/// <summary>The restore handler with the real crun and CRIU under cgroup v2 and systemd, on a machine of its own
/// (Machine/run.sh): the bench's nodes have cgroup v1 and no systemd.</summary>
public sealed class UnifiedCgroupTests
{
    [Test]
    public void What_is_restored_has_its_own_cgroup_with_its_limits_and_sees_them()
    {
        var repository = Repository.Root(AppContext.BaseDirectory);
        var machine = Path.Combine(repository, "test/Component/Restores/Machine");
        var job = Directory.CreateTempSubdirectory("machine-job");
        try
        {
            File.Copy(Path.Combine(machine, "restores.sh"), Path.Combine(job.FullName, "run.sh"));
            var handler = Path.Combine(repository, "agent/Restores/Handler/checkpoint-restore");
            File.Copy(handler, Path.Combine(job.FullName, "checkpoint-restore"));

            var lines = Manifests.Run(Path.Combine(machine, "run.sh"), job.FullName).Split('\n');

            lines.Should().NotContain(line => line.Contains("not ok", StringComparison.Ordinal));
            // With systemd's driver and with cgroupfs: at once, at the second attempt, and before all pages are in, which
            // is asked for, too.
            lines.Count(line => line.StartsWith("ok ", StringComparison.Ordinal)).Should().Be((6 * 11) + 2);
        }
        finally
        {
            job.Delete(recursive: true);
        }
    }
}
