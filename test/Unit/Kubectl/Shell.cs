using System.Net;
using System.Text.Json;
using k8s;
using k8s.Models;
using PodCheckpointing.Kubectl;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Unit.Kubectl;

/// <summary>The plug-in without a process: words in, texts and an exit code out.</summary>
internal sealed class Shell
{
    private readonly Func<ConnectionOptions, Session> _open;

    public Shell()
        : this(options => new Session(
            () => throw new InvalidOperationException("no cluster here"), options.Namespace ?? "default"))
    {
    }

    public Shell(IKubernetes cluster)
        : this(options => new Session(() => cluster, options.Namespace ?? "default"))
    {
    }

    public Shell(Func<ConnectionOptions, Session> open) => _open = open;

    public Task<(int Code, string Output, string Error)> RunAsync(string line) =>
        RunAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    public Task<(int Code, string Output, string Error)> RunAsync(IReadOnlyList<string> words) =>
        RunAsync(words, new StringWriter(), CancellationToken.None);

    public async Task<(int Code, string Output, string Error)> RunAsync(
        IReadOnlyList<string> words, StringWriter output, CancellationToken cancellationToken)
    {
        using var error = new StringWriter { NewLine = "\n" };
        output.NewLine = "\n";
        var terminal = new Terminal(output, error, TextReader.Null, IsInteractive: false, 120);
        var code = await new CommandLine(terminal, TimeProvider.System, _open).RunAsync(words, cancellationToken);
        return (code, output.ToString(), error.ToString());
    }
}
