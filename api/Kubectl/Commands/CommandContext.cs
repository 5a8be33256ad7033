using System.Collections;
using System.CommandLine;
using System.CommandLine.Parsing;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary>What every command has.</summary>
internal sealed class CommandContext(Terminal terminal, TimeProvider time, Func<ConnectionOptions, Session> open)
{
    public Terminal Terminal { get; } = terminal;

    public TimeProvider Time { get; } = time;

    public DateTime Now => Time.GetUtcNow().UtcDateTime;

    public GlobalOptions Global { get; } = new();

    /// <summary>The cluster that the command line names.</summary>
    public Session Open(ParseResult parsed) => open(new ConnectionOptions(
        parsed.GetValue(Global.Kubeconfig),
        parsed.GetValue(Global.Context),
        parsed.GetValue(Global.Namespace),
        parsed.GetValue(Global.RequestTimeout) ?? TimeSpan.Zero));
}

/// <summary>The flags that kubectl has for every command.</summary>
internal sealed class GlobalOptions : IEnumerable<Option>
{
    public Option<string?> Kubeconfig { get; } = new("--kubeconfig")
    {
        Description = "Path to the kubeconfig file (default: the files of KUBECONFIG, then ~/.kube/config)",
        HelpName = "file",
        Recursive = true,
    };

    public Option<string?> Context { get; } = new("--context")
    {
        Description = "Context of the kubeconfig to use",
        HelpName = "name",
        Recursive = true,
    };

    public Option<string?> Namespace { get; } = new("--namespace", "-n")
    {
        Description = "Namespace to work in (default: the context's; of drain all)",
        HelpName = "name",
        Recursive = true,
        // Empty, it means the context's.
        Validators = { result => Options.Named(result, "--namespace", emptyAllowed: true) },
    };

    public Option<TimeSpan?> RequestTimeout { get; } = Options.Duration(
        "--request-timeout", "How long to wait for a single answer of the API server, for example 5s (default: 30s)",
        Options.LongestTimer, recursive: true);

    public IEnumerator<Option> GetEnumerator() =>
        new Option[] { Kubeconfig, Context, Namespace, RequestTimeout }.AsEnumerable().GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>A command that shows how it is used.</summary>
internal interface IWithExamples
{
    IReadOnlyList<string> Examples { get; }
}

/// <summary>A command with examples below its help.</summary>
internal sealed class ExampleCommand(
    string name, string description, params string[] examples) : Command(name, description), IWithExamples
{
    public IReadOnlyList<string> Examples => examples;
}

/// <summary>Flags that several commands have.</summary>
internal static class Options
{
    /// <summary>A little less than what a timer takes.</summary>
    public static readonly TimeSpan LongestTimer = TimeSpan.FromDays(49);

    public static Option<TimeSpan?> Duration(
        string name, string description, TimeSpan? longest = null, bool recursive = false) => new(name)
    {
        Description = description,
        HelpName = "duration",
        Recursive = recursive,
        CustomParser = result => Parse(result, name, longest),
    };

    public static Option<OutputFormat> Output(bool wide = false)
    {
        string[] words = wide ? ["json", "yaml", "name", "wide"] : ["json", "yaml", "name"];
        var option = new Option<OutputFormat>("--output", "-o")
        {
            Description = $"Write the object instead of text: {string.Join(", ", words)}",
            HelpName = "format",
            CustomParser = result =>
            {
                var word = result.Tokens[^1].Value;
                if (words.Contains(word))
                {
                    return Enum.Parse<OutputFormat>(word, ignoreCase: true);
                }

                result.AddError($"--output \"{word}\": choose {string.Join(", ", words)}");
                return OutputFormat.None;
            },
        };
        option.CompletionSources.Clear();
        option.CompletionSources.Add(words);
        return option;
    }

    public static Option<bool> Wait() =>
        new("--wait") { Description = "Wait for the end, show the progress, and fail when it failed" };

    public static Option<TimeSpan?> WaitTimeout() =>
        Duration(
            "--wait-timeout",
            "Stop waiting after so long, for example 90s; what was begun goes on (default: no limit)",
            LongestTimer);

    public static Option<bool> Quiet() =>
        new("--quiet", "-q") { Description = "Say nothing but errors; the exit code tells" };

    public static Option<bool> AllNamespaces(
        string description) => new("--all-namespaces", "-A") { Description = description };

    /// <summary>An argument that names one object.</summary>
    public static Argument<string> Name(string name, string description)
    {
        var argument = new Argument<string>(name) { HelpName = name, Description = description };
        argument.Validators.Add(result => Named(result, name));
        return argument;
    }

    public static Option<string?> Text(string name, string help, string description, params string[] words)
    {
        var option = new Option<string?>(name) { Description = description, HelpName = help };
        if (help is "name" or "node")
        {
            option.Validators.Add(result => Named(result, name));
        }

        if (words.Length > 0)
        {
            option.CompletionSources.Add(words);
        }

        return option;
    }

    public static Option<string?> DryRun()
    {
        var option = Text(
            "--dry-run",
            "client|server",
            "Create nothing: client only shows the object, server also has the API server check it",
            "client",
            "server",
            "none");
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && result.Tokens[0].Value is not ("client" or "server" or "none"))
            {
                result.AddError($"--dry-run \"{result.Tokens[0].Value}\": choose client, server or none");
            }
        });
        return option;
    }

    // The server takes nothing for all objects, and dots and slashes for another path.
    public static void Named(SymbolResult result, string what, bool emptyAllowed = false)
    {
        if (result.Tokens.Count > 0 && result.Tokens[^1].Value is var name
            && (name is "." or ".." || name.Contains('/') || (name.Length == 0 && !emptyAllowed)))
        {
            result.AddError($"{what} \"{name}\": give the name of an object");
        }
    }

    private static TimeSpan? Parse(ArgumentResult result, string name, TimeSpan? longest)
    {
        var text = result.Tokens[^1].Value;
        var duration = Amounts.ParseDuration(text);
        if (duration is null)
        {
            result.AddError($"{name} \"{text}\": write a duration such as 30s, 5m or 1h30m");
        }
        else if (duration > longest)
        {
            result.AddError($"{name} \"{text}\": write {longest.Value.TotalHours}h at most");
        }

        return duration;
    }
}
