using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Component.Api;

namespace PodCheckpointing.Component.Kubectl;

/// <summary>A real kubectl that finds the plug-ins in its PATH, and a real API server.</summary>
internal abstract class PluginTests
{
    private static readonly string[] Links =
        ["kubectl-create-podmigration", "kubectl-create-podcheckpoint", "kubectl-podmigration", "kubectl_complete-podmigration"];

    private string _folder = null!;

    protected ControlPlane Cluster { get; private set; } = null!;

    /// <summary>What `kubectl podmigration list` said before the kinds were installed.</summary>
    protected Said BeforeInstallation { get; private set; } = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _folder = Directory.CreateTempSubdirectory("pod-checkpointing-plugins").FullName;
        foreach (var link in Links)
        {
            File.CreateSymbolicLink(Path.Combine(_folder, link), Path.Combine(AppContext.BaseDirectory, "kubectl-podmigration"));
        }

        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        Cluster = await ControlPlane.StartAsync(deadline.Token);
        BeforeInstallation = await KubectlAsync("podmigration", "list");
        (await Cluster.KubectlAsync(null, "apply", "-k", Samples.Definitions)).Code.Should().Be(0);
        var (code, output) = await Cluster.KubectlAsync(null, "wait", "crd", "--all", "--for=condition=Established", "--timeout=30s");
        code.Should().Be(0, output);
    }

    [OneTimeTearDown]
    public void Stop()
    {
        Cluster?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Runs kubectl as a user does: the cluster comes from KUBECONFIG.</summary>
    protected async Task<Said> KubectlAsync(params string[] arguments)
    {
        using var process = Start(arguments);
        process.StandardInput.Close();
        var said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return new Said(process.ExitCode, said[0], said[1]);
    }

    /// <summary>A kubectl that runs on.</summary>
    protected Process Start(params string[] arguments) => StartProgram(Path.Combine(ApiServerParts.Find(), "kubectl"), arguments);

    /// <summary>Runs another program, which finds kubectl and the plug-ins; its standard output.</summary>
    protected async Task<string> ShellAsync(string program, params string[] arguments)
    {
        using var process = StartProgram(program, arguments);
        process.StandardInput.Close();
        var said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return said[0];
    }

    private Process StartProgram(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PATH"] = _folder + ":" + ApiServerParts.Find() + ":" + Environment.GetEnvironmentVariable("PATH");
        start.Environment["KUBECONFIG"] = Kubeconfig;
        start.Environment["HOME"] = _folder;
        return Process.Start(start)!;
    }

    /// <summary>The kubeconfig with every right.</summary>
    protected string Kubeconfig => Cluster.Kubeconfig;

    protected async Task<JsonNode> GetAsync(string kind, string name)
    {
        var said = await KubectlAsync("get", kind, name, "-o", "json");
        said.Code.Should().Be(0, said.Error);
        return JsonNode.Parse(said.Output)!;
    }

    protected async Task ApplyAsync(string manifest)
    {
        var (code, output) = await Cluster.KubectlAsync(manifest, "apply", "-f", "-");
        code.Should().Be(0, output);
    }

    protected async Task SetStatusAsync(string kind, string name, object status)
    {
        var patch = JsonSerializer.Serialize(new { status });
        var (code, output) = await Cluster.KubectlAsync(null, "patch", kind, name, "--subresource=status", "--type=merge", "-p", patch);
        code.Should().Be(0, output);
    }

    /// <summary>What a command said, and its exit code.</summary>
    protected sealed record Said(int Code, string Output, string Error);
}
