using System.Diagnostics;
using NUnit.Framework;
using PodCheckpointing.Component.Api;

namespace PodCheckpointing.Component.Kubectl;

/// <summary>One API server for all tests of the plug-ins, and a folder where kubectl finds them.</summary>
[SetUpFixture]
internal sealed class PluginCluster
{
    private static readonly string[] Links =
    [
        "kubectl-create-podmigration",
        "kubectl-create-podcheckpoint",
        "kubectl-podmigration",
        "kubectl_complete-podmigration",
    ];

    public static ControlPlane Cluster { get; private set; } = null!;

    public static string Folder { get; private set; } = null!;

    /// <summary>What the plug-in said before the kinds were installed.</summary>
    public static (int Code, string Error) BeforeInstallation { get; private set; }

    /// <summary>The kubeconfig with every right, in a namespace.</summary>
    public static string KubeconfigFor(string namespaceName) =>
        File.ReadAllText(Cluster.Kubeconfig).Replace(
            "      user: admin", $"      user: admin\n      namespace: {namespaceName}", StringComparison.Ordinal);

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        Folder = Directory.CreateTempSubdirectory("pod-checkpointing-plugins").FullName;
        foreach (var link in Links)
        {
            File.CreateSymbolicLink(
                Path.Combine(Folder, link), Path.Combine(AppContext.BaseDirectory, "kubectl-podmigration"));
        }

        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        Cluster = await ControlPlane.StartAsync(deadline.Token);
        BeforeInstallation = await ListAsync();
        await Cluster.InstallDefinitionsAsync();
    }

    [OneTimeTearDown]
    public void Stop()
    {
        Cluster?.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private static async Task<(int Code, string Error)> ListAsync()
    {
        using var process = Process.Start(new ProcessStartInfo(
            Path.Combine(Folder, "kubectl-podmigration"), ["list", "--kubeconfig", Cluster.Kubeconfig])
        {
            RedirectStandardError = true,
        })!;
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, error);
    }
}
