using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Component.Deploy;

/// <summary>The node's programs and its hook, as the image installs them.</summary>
internal sealed class NodeFilesTests
{
    [TestCase(true)]
    [TestCase(false)]
    public async Task A_file_is_synced_before_it_has_its_name_and_the_hook_comes_last(bool told)
    {
        var folder = Directory.CreateTempSubdirectory("pod-checkpointing-files").FullName;
        try
        {
            var from = Path.Combine(folder, "from");
            await PrepareAsync(folder, from);
            var log = Path.Combine(folder, "log");
            var path0 = Environment.GetEnvironmentVariable("PATH");
            using var install = Process.Start(new ProcessStartInfo(
                "sh",
                [
                    Path.Combine(
                        PodCheckpointing.Generate.Repository.Root(AppContext.BaseDirectory),
                        "config/images/install-node-files"),
                    $"{folder}/libexec", .. told ? new[] { $"{folder}/hooks" } : [],
                ])
            {
                Environment =
                {
                    ["POD_CHECKPOINTING_NODE_FILES"] = from,
                    ["TEST_LOG"] = log, ["TEST_PATH"] = path0, ["PATH"] = $"{folder}/bin:{path0}",
                },
            })!;
            await install.WaitForExitAsync();

            install.ExitCode.Should().Be(0);
            string[] hook =
            [
                "sync /hooks/.checkpoint-fence.json.new",
                "mv /hooks/.checkpoint-fence.json.new /hooks/checkpoint-fence.json",
                "sync /hooks",
            ];
            (await File.ReadAllLinesAsync(log)).Select(l => l.Replace(folder, "", StringComparison.Ordinal))
                .Should().Equal(
                [
                    "sync /libexec/.checkpoint-restore.new",
                    "mv /libexec/.checkpoint-restore.new /libexec/checkpoint-restore",
                    "sync /libexec",
                    "sync /libexec/.checkpoint-fence.new",
                    "mv /libexec/.checkpoint-fence.new /libexec/checkpoint-fence",
                    "sync /libexec",
                    .. told ? hook : [],
                ]);
            Directory.GetFiles(Path.Combine(folder, "hooks")).Select(Path.GetFileName)
                .Should().Equal(told ? ["checkpoint-fence.json"] : []);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The files, the folders that they go to, and tools that write down what they are called with.</summary>
    private static async Task PrepareAsync(string folder, string from)
    {
        foreach (var part in new[] { "from", "libexec", "hooks", "bin" })
        {
            Directory.CreateDirectory(Path.Combine(folder, part));
        }

        foreach (var file in new[] { "checkpoint-restore", "checkpoint-fence", "checkpoint-fence.json" })
        {
            await File.WriteAllTextAsync(Path.Combine(from, file), file);
        }

        foreach (var tool in new[] { "mv", "sync" })
        {
            var path = Path.Combine(folder, "bin", tool);
            await File.WriteAllTextAsync(
                path, $"#!/bin/sh\necho {tool} \"$*\" >>\"$TEST_LOG\"\nPATH=$TEST_PATH exec {tool} \"$@\"\n");
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }
    }
}
