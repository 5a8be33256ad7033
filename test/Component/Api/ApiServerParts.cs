using System.Diagnostics;
using System.Security.Cryptography;
using NUnit.Framework;
using PodCheckpointing.Generate;

namespace PodCheckpointing.Component.Api;

/// <summary>Finds kube-apiserver, etcd and kubectl.</summary>
internal static class ApiServerParts
{
    private const string CacheVariable = "POD_CHECKPOINTING_CACHE";

    /// <summary>The folder that holds the three.</summary>
    public static string Find()
    {
        var named = Environment.GetEnvironmentVariable("KUBEBUILDER_ASSETS");
        if (!string.IsNullOrEmpty(named))
        {
            return named;
        }

        var cache = Environment.GetEnvironmentVariable(CacheVariable) ?? "/var/cache/pod-checkpointing";
        var folder = Path.Combine(cache, $"apiserver-{Version()}");
        if (!Programs.All(program => File.Exists(Path.Combine(folder, program))))
        {
            Assert.Fail($"no {folder}: run make bench-install, or set KUBEBUILDER_ASSETS");
        }

        return folder;
    }

    // The one that this source makes, under the name that test/LocalCluster/paths.sh gives it.
    private static string Version()
    {
        var bench = Path.Combine(Repository.Root(AppContext.BaseDirectory), "test", "LocalCluster");
        var sources = Directory.EnumerateFiles(Path.Combine(bench, "ApiServer"), "*.go").Order(StringComparer.Ordinal)
            .Append(Path.Combine(bench, "ApiServer", "install.sh"))
            .Append(Path.Combine(bench, "debian.sh"));
        return Convert.ToHexStringLower(SHA256.HashData([.. sources.SelectMany(File.ReadAllBytes)]))[..12];
    }

    /// <summary>Starts a program whose output nobody reads but a person who looks for a failure.</summary>
    public static Process Start(string program, string log, params string[] arguments)
    {
        var process =
            Process.Start(
                new ProcessStartInfo("/bin/sh", ["-c", "exec \"$@\" >>\"$0\" 2>&1", log, program, .. arguments]))!;
        return process;
    }

    private static readonly string[] Programs = ["kube-apiserver", "etcd", "kubectl"];
}
