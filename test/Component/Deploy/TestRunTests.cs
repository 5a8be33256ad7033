using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Component.Deploy;

/// <summary>What test/run.sh makes of the runners' words; a script that says what the real
/// runner says stands in for it.</summary>
[TestFixture]
public sealed class TestRunTests
{
    [TestCase("", "5 passed, 0 failed", 0)]
    [TestCase("failed Counts_on (12ms)\n  message", "failed Unit: Counts_on (12ms)\n5 passed, 1 failed", 1)]
    [TestCase(
        "failed Takes(\"a b\") (1s 2ms)\nfailed Other (3ms)",
        "failed Unit: Takes(\"a b\") (1s 2ms)\nfailed Unit: Other (3ms)\n5 passed, 2 failed",
        1)]
    [TestCase("crash", "failed Unit: the runner itself, with exit code 134\n5 passed, 1 failed", 1)]
    public void Last_come_the_names_of_failed_tests_and_one_line_of_figures(string unit, string last, int exitCode)
    {
        var folder = Directory.CreateTempSubdirectory("pod-checkpointing-run");
        try
        {
            var test = folder.CreateSubdirectory("test").FullName;
            File.Copy(Path.Combine(Manifests.Root, "test/run.sh"), Path.Combine(test, "run.sh"));
            File.WriteAllText(Path.Combine(folder.FullName, "said"), unit + "\n");
            var dotnet = Path.Combine(folder.FullName, "dotnet");
            File.WriteAllText(dotnet, """
                #!/bin/sh
                # $4 is the project.
                failed=0 code=0
                if [ "$4" = test/Unit ]; then
                  cat said
                  failed=$(grep -c ^failed said)
                  if [ "$(cat said)" = crash ]; then code=134; fi
                fi
                if [ "$failed" -gt 0 ]; then code=2; fi
                if [ "$4" != test/Simulation ]; then
                  printf '\nTest run summary: Said!\n  total: 9\n  failed: %s\n  succeeded: 1\n  skipped: 0\n' "$failed"
                fi
                exit $code
                """);
            File.SetUnixFileMode(dotnet, UnixFileMode.UserRead | UnixFileMode.UserExecute);

            using var run = Process.Start(new ProcessStartInfo("/bin/bash", [Path.Combine(test, "run.sh")])
            {
                RedirectStandardOutput = true,
                Environment = { ["PATH"] = $"{folder.FullName}:{Environment.GetEnvironmentVariable("PATH")}" },
            })!;
            var said = run.StandardOutput.ReadToEnd();
            run.WaitForExit();

            // Of the five runs one is the simulation, which counts as one test.
            said.Should().EndWith("\n" + last + "\n");
            run.ExitCode.Should().Be(exitCode);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
