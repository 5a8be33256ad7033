using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Component.Images;

/// <summary>The foreign programs of these tests.</summary>
internal static class Parts
{
    /// <summary>A file beside this one, in the sources.</summary>
    public static string Beside(string name) => Path.Combine(Root, "test", "Component", "Images", name);

    /// <summary>The repository's folder.</summary>
    public static string Root
    {
        get
        {
            var folder = AppContext.BaseDirectory;
            while (!File.Exists(Path.Combine(folder, "PodCheckpointing.sln")))
            {
                folder = Path.GetDirectoryName(folder)
                    ?? throw new InvalidOperationException("no PodCheckpointing.sln above the tests");
            }

            return folder;
        }
    }

    /// <summary>Makes sure that they are there; where checkpointctl is.</summary>
    public static async Task<string> InstallAsync()
    {
        var (code, output, said) = await TryAsync("/bin/bash", Beside("install.sh"));
        if (code != 0)
        {
            Assert.Fail(
                "test/Component/Images/install.sh could not get docker-registry, skopeo, buildah and "
                    + $"checkpointctl:\n{said}");
        }

        return output.Trim();
    }

    /// <summary>What runs a program of Debian sid on this machine: the node tree's loader with
    /// the node tree's libraries.</summary>
    public static string[] OfNode()
    {
        var tree = NodeTree();
        return [$"{tree}/lib64/ld-linux-x86-64.so.2", "--library-path", $"{tree}/usr/lib/x86_64-linux-gnu"];
    }

    /// <summary>The Debian tree that the bench's nodes run on.</summary>
    public static string NodeTree()
    {
        var cache = Environment.GetEnvironmentVariable("POD_CHECKPOINTING_CACHE") ?? "/var/cache/pod-checkpointing";
        var tree = Directory.Exists(cache)
            ? Directory.GetDirectories(cache, "node-tree-*").FirstOrDefault(t => File.Exists($"{t}/usr/bin/containerd"))
            : null;
        if (tree is null)
        {
            Assert.Fail($"no node tree in {cache}: run test/LocalCluster/cluster.sh install");
        }

        return tree!;
    }

    /// <summary>Runs a program that has to succeed; what it printed.</summary>
    public static async Task<string> RunAsync(string program, params string[] arguments)
    {
        var (code, output, error) = await TryAsync(program, arguments);
        code.Should().Be(0, $"{program} {string.Join(' ', arguments)} says {error}");
        return output;
    }

    public static async Task<(int Code, string Output, string Error)> TryAsync(
        string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await error);
    }
}
