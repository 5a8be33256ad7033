using System.CommandLine;
using k8s;
using k8s.Models;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Following;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary>What creating commands have in common: dry runs, output forms and the wait.</summary>
internal sealed class Creation(CommandContext context)
{
    private readonly Option<bool> _wait = Options.Wait();
    private readonly Option<TimeSpan?> _waitTimeout = Options.WaitTimeout();
    private readonly Option<string?> _dryRun = Options.DryRun();
    private readonly Option<OutputFormat> _output = Options.Output();
    private readonly Option<bool> _quiet = Options.Quiet();

    public void AddTo(Command command)
    {
        command.Add(_wait);
        command.Add(_waitTimeout);
        command.Add(_dryRun);
        command.Add(_output);
        command.Add(_quiet);
        command.Validators.Add(result =>
        {
            // By the words alone: whether they can be read as values has not been looked at yet.
            var dry = result.GetValue(_dryRun) is "client" or "server";
            var waits = result.GetResult(_wait) is { Implicit: false } wait
                && (wait.Tokens.Count == 0
                    || !wait.Tokens[^1].Value.Equals("false", StringComparison.OrdinalIgnoreCase));
            if (waits && dry)
            {
                result.AddError(
                    "--wait: a dry run creates nothing to wait for; leave one of --wait and --dry-run away");
            }

            if (result.GetResult(_waitTimeout) is { Implicit: false } && !waits)
            {
                result.AddError("--wait-timeout goes with --wait");
            }
        });
    }

    public bool IsQuiet(ParseResult parsed) => parsed.GetValue(_quiet);

    /// <summary>Where progress goes: with -o the object alone goes to the standard output.</summary>
    public Terminal ProgressOf(ParseResult parsed) =>
        parsed.GetValue(_output) == OutputFormat.None
            ? context.Terminal
            : context.Terminal with { Out = context.Terminal.Error, IsInteractive = false };

    /// <summary>Creates an object as the flags say; its exit code.</summary>
    public async Task<int> RunAsync<T>(
        ParseResult parsed, Session session, T item,
        Func<T, Terminal, TimeSpan?, CancellationToken, Task<(T Last, int Code)>> wait,
        CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        var dryRun = parsed.GetValue(_dryRun);
        // Once it is sent, Ctrl-C waits for the answer: otherwise nobody knew whether the object exists.
        cancellationToken.ThrowIfCancellationRequested();
        var created = dryRun switch
        {
            "client" => item,
            _ => await session.Client.CreateAsync(item, dryRun == "server", CancellationToken.None),
        };
        var output = parsed.GetValue(_output);
        if (!parsed.GetValue(_wait))
        {
            Show(output, created, dryRun, IsQuiet(parsed));
            return ExitCode.Ok;
        }

        var progress = ProgressOf(parsed);
        if (!IsQuiet(parsed))
        {
            progress.Out.WriteLine($"{ObjectNames.Of(created)} created");
        }

        var (last, code) = await wait(created, progress, parsed.GetValue(_waitTimeout), cancellationToken);
        if (output != OutputFormat.None)
        {
            ObjectPrinter.Write(context.Terminal.Out, output, last);
        }

        return code;
    }

    private void Show<T>(OutputFormat output, T created, string? dryRun, bool quiet)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        if (output != OutputFormat.None)
        {
            ObjectPrinter.Write(context.Terminal.Out, output, created);
        }
        else if (!quiet)
        {
            var note = dryRun switch { "client" => " (dry run)", "server" => " (server dry run)", _ => "" };
            context.Terminal.Out.WriteLine($"{ObjectNames.Of(created)} created{note}");
        }
    }
}
