using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Component.Api;

namespace PodCheckpointing.Component.Kubectl;

/// <summary>A real kubectl that finds the plug-ins in its PATH, and a real API server.</summary>
internal abstract class PluginTests(string namespaceName)
{
    private string _kubeconfig = null!;

    protected static ControlPlane Cluster => PluginCluster.Cluster;

    /// <summary>The kubeconfig with every right, in this fixture's namespace.</summary>
    protected string Kubeconfig => _kubeconfig;

    [OneTimeSetUp]
    public async Task MakeNamespaceAsync()
    {
        _kubeconfig = Path.Combine(PluginCluster.Folder, namespaceName + ".kubeconfig");
        await File.WriteAllTextAsync(_kubeconfig, PluginCluster.KubeconfigFor(namespaceName));
        await ApplyAsync($$$"""{apiVersion: v1, kind: Namespace, metadata: {name: "{{{namespaceName}}}"}}""");
    }

    /// <summary>Runs kubectl as a user does: the cluster comes from KUBECONFIG.</summary>
    protected Task<Said> KubectlAsync(params string[] arguments) => SayAsync("", arguments);

    private async Task<Said> SayAsync(string input, string[] arguments)
    {
        using var process = Start(arguments);
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return new Said(process.ExitCode, said[0], said[1]);
    }

    /// <summary>A kubectl that runs on.</summary>
    protected Process Start(params string[] arguments) =>
        StartProgram(Path.Combine(ApiServerParts.Find(), "kubectl"), arguments);

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
        start.Environment["PATH"] =
            PluginCluster.Folder + ":" + ApiServerParts.Find() + ":" + Environment.GetEnvironmentVariable("PATH");
        start.Environment["KUBECONFIG"] = _kubeconfig;
        start.Environment["HOME"] = PluginCluster.Folder;
        return Process.Start(start)!;
    }

    protected async Task<JsonNode> GetAsync(string kind, string name)
    {
        var said = await KubectlAsync("get", kind, name, "-o", "json");
        said.Code.Should().Be(0, said.Error);
        return JsonNode.Parse(said.Output)!;
    }

    protected async Task ApplyAsync(string manifest)
    {
        var said = await SayAsync(manifest, ["apply", "-f", "-"]);
        said.Code.Should().Be(0, said.Error);
    }

    protected async Task SetStatusAsync(string kind, string name, object status)
    {
        var patch = JsonSerializer.Serialize(new { status });
        var said = await KubectlAsync("patch", kind, name, "--subresource=status", "--type=merge", "-p", patch);
        said.Code.Should().Be(0, said.Error);
    }

    /// <summary>What a command said, and its exit code.</summary>
    protected sealed record Said(int Code, string Output, string Error);
}
