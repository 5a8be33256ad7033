using System.Diagnostics;
using NUnit.Framework;

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
        var folder = Directory.Exists(cache)
            ? new DirectoryInfo(cache).EnumerateDirectories("apiserver-*")
                .Where(candidate => Programs.All(program => File.Exists(Path.Combine(candidate.FullName, program))))
                .MaxBy(candidate => candidate.LastWriteTimeUtc)
            : null;
        if (folder is null)
        {
            Assert.Fail($"no API server in {cache}: run make bench-install, or set KUBEBUILDER_ASSETS");
        }

        return folder!.FullName;
    }

    /// <summary>Starts a program whose output nobody reads but a person who looks for a failure.</summary>
    public static Process Start(string program, string log, params string[] arguments)
    {
        var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "exec \"$@\" >>\"$0\" 2>&1", log, program, .. arguments]))!;
        return process;
    }

    private static readonly string[] Programs = ["kube-apiserver", "etcd", "kubectl"];
}
