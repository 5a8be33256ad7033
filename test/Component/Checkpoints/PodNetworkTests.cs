using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Network;

namespace PodCheckpointing.Component.Checkpoints;

/// <summary>A pod's network namespace, by the path that the runtime tells: it is the node's, and
/// the agent has other files.</summary>
internal sealed class PodNetworkTests
{
    /// <summary>A node with a namespace behind an absolute link, as behind Debian's /var/run, and, among other files,
    /// what calls nsenter.</summary>
    private const string Node = """
        set -e
        folder=$1
        shift
        mkdir "$folder/run"
        ln -s "$folder/run" "$folder/link"
        : >"$folder/run/pod"
        unshare --net="$folder/run/pod" true
        unshare --mount sh -c 'mount -t tmpfs none "$1/run" && shift && exec nsenter "$@"' sh "$folder" "$@"
        """;

    [Test]
    public async Task A_network_is_opened_among_the_nodes_files_though_a_link_is_on_its_path()
    {
        var folder = Directory.CreateTempSubdirectory("pod-checkpointing-network").FullName;
        try
        {
            using var node = Process.Start(new ProcessStartInfo(
                "unshare",
                [
                    "--pid", "--fork", "--mount", "--mount-proc", "sh", "-c", Node, "sh", folder,
                    .. NodeNetwork.Arguments(NodeNetwork.In($"{folder}/link/pod"), "readlink /proc/self/ns/net"),
                ])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            var said = await node.StandardOutput.ReadToEndAsync();
            var errors = await node.StandardError.ReadToEndAsync();
            await node.WaitForExitAsync();

            (node.ExitCode, errors).Should().Be((0, ""));
            said.Trim().Should().StartWith("net:[").And.NotBe(new FileInfo("/proc/self/ns/net").LinkTarget);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
