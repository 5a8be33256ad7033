using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Reflection;
using k8s;
using k8s.Exceptions;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Commands;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl;

/// <summary>The whole tree of commands, and what becomes of their failures.</summary>
internal sealed class CommandLine
{
    private readonly CommandContext _context;
    private readonly Option<bool> _version =
        new("--version")
        {
            Description = "Show the version, with the commit that it was built from",
            Action = new TellVersion(),
        };

    public CommandLine(Terminal terminal, TimeProvider time, Func<ConnectionOptions, Session> open)
    {
        _context = new CommandContext(terminal, time, open);
        var migrations = new Command("podmigration", "Move running pods to other nodes, with their memory.")
        {
            NodesCommand.Build(_context),
            CheckCommand.Build(_context),
            StatusCommand.Build(_context),
            WatchCommand.Build(_context),
            ListCommand.Build(_context),
            AbortCommand.Build(_context),
            RestoreCommand.Build(_context),
            InspectCommand.Build(_context),
            DeploymentCommand.Build(_context),
            DrainCommand.Build(_context),
            ExplainCommand.Build(_context),
            CompletionCommand.Build(_context),
        };
        migrations.Options.Add(_version);
        var create = new Command("create", "Create a PodMigration or a PodCheckpoint.")
        {
            CreateMigrationCommand.Build(_context),
            CreateCheckpointCommand.Build(_context),
        };
        Root = new Command("kubectl", "Checkpoint running pods and move them.") { migrations, create };
        var help = new HelpOption("--help", "-h") { Recursive = true, Description = "Show help" };
        help.Action = new HelpWithExitCodes((SynchronousCommandLineAction)help.Action!);
        Root.Options.Add(help);
        foreach (var option in _context.Global)
        {
            Root.Options.Add(option);
        }
    }

    public Command Root { get; }

    /// <summary>Runs a command; its exit code.</summary>
    public async Task<int> RunAsync(IReadOnlyList<string> words, CancellationToken cancellationToken)
    {
        if (words is [Invocation.Complete, ..])
        {
            return Completer.Complete(Root, [.. words.Skip(1)], _context.Terminal.Out);
        }

        var parsed = Root.Parse(words);
        var wantsVersion = parsed.GetResult(_version) is { Implicit: false };
        if (!wantsVersion
            && parsed.CommandResult is { Command.Subcommands.Count: > 0 }
            && parsed.UnmatchedTokens.Count == 0)
        {
            parsed = Root.Parse([.. words, "--help"]);
        }

        var wantsHelp = parsed.GetResult((Option)Root.Options.OfType<HelpOption>().Single()) is { Implicit: false };
        if (parsed.Errors.Count > 0 && !wantsHelp && !wantsVersion)
        {
            foreach (var error in parsed.Errors)
            {
                _context.Terminal.Error.WriteLine($"error: {error.Message}");
            }

            _context.Terminal.Error.WriteLine($"See '{PathOf(parsed)} --help' for usage.");
            return ExitCode.Usage;
        }

        try
        {
            var configuration = new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
                Output = _context.Terminal.Out,
                Error = _context.Terminal.Error,
            };
            return await parsed.InvokeAsync(configuration, cancellationToken);
        }
        catch (Exception exception)
        {
            var (code, message) = Explain(exception, cancellationToken);
            _context.Terminal.Error.WriteLine("error: " + message);
            return code;
        }
    }

    private static (int Code, string Message) Explain(Exception exception, CancellationToken cancellationToken) =>
        exception switch
        {
            CommandException ours => (ours.ExitCode, ours.Message),
            KubeConfigException unusable => (ExitCode.Unreachable, unusable.Message),
            KubernetesException missing when missing.IsUnknownKind() => (
                ExitCode.Refused,
                "this cluster does not know the kind: install PodCheckpointing (README, \"Install\") or choose "
                    + "another --context"),
            KubernetesException { Code: System.Net.HttpStatusCode.Unauthorized } => (
                ExitCode.Refused, "the API server does not know who you are: renew the credentials in the kubeconfig"),
            KubernetesException refused => (
                ExitCode.Refused,
                $"from server ({refused.Status.Reason ?? refused.Code.ToString()}): {refused.Message.Trim()}"),
            OperationCanceledException
                when cancellationToken.IsCancellationRequested => (
                    ExitCode.Interrupted, "interrupted; nothing was changed"),
            HttpRequestException unreachable => (
                ExitCode.Unreachable,
                $"cannot reach the API server: {unreachable.InnerException?.Message ?? unreachable.Message}; see "
                    + "kubectl cluster-info, or choose another --context"),
            IOException or UnauthorizedAccessException => (ExitCode.Usage, exception.Message),
            _ => (ExitCode.Failed, $"{exception.GetType().Name}: {exception.Message} (this is a fault of the plug-in)"),
        };

    private static string PathOf(ParseResult parsed)
    {
        var names = new List<string>();
        for (var result = parsed.CommandResult; result is not null; result =
            result.Parent as System.CommandLine.Parsing.CommandResult)
        {
            names.Insert(0, result.Command.Name);
        }

        return string.Join(' ', names);
    }

    private sealed class TellVersion : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            parseResult.InvocationConfiguration.Output.WriteLine(
                typeof(CommandLine).Assembly
                    .GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion);
            return ExitCode.Ok;
        }
    }

    private sealed class HelpWithExitCodes(SynchronousCommandLineAction help) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            var result = help.Invoke(parseResult);
            var output = parseResult.InvocationConfiguration.Output;
            if (parseResult.CommandResult.Command is IWithExamples { Examples: var examples })
            {
                output.WriteLine("Examples:");
                foreach (var example in examples)
                {
                    output.WriteLine("  " + example);
                }

                output.WriteLine();
            }

            output.WriteLine("Exit codes:");
            foreach (var (code, meaning) in ExitCode.All)
            {
                output.WriteLine($"  {code,3}  {meaning}");
            }

            return result;
        }
    }
}
