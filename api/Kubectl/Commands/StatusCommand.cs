using System.CommandLine;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Following;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary><c>kubectl podmigration status</c>.</summary>
internal static class StatusCommand
{
    public static Command Build(CommandContext context)
    {
        var name = Options.Name("NAME", "Name of the PodMigration");
        name.CompletionSources.Add(Completer.Names<PodMigration>(context));
        var output = Options.Output();
        var command = new ExampleCommand(
            "status", "Show how a migration stands: result, steps with their times, conditions.",
            "kubectl podmigration status move-web")
        {
            name, output,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var session = context.Open(parsed);
            var migration = await session.Client.GetAsync<PodMigration>(
                session.Namespace, parsed.GetValue(name)!, cancellationToken);
            if (parsed.GetValue(output) is var format && format != OutputFormat.None)
            {
                ObjectPrinter.Write(context.Terminal.Out, format, migration);
                return MigrationText.ExitCodeOf(migration);
            }

            Report.Write(
                context.Terminal,
                MigrationText.Facts(migration, context.Now),
                ("", MigrationText.Steps(migration, context.Now)),
                ("", ConditionText.Table(migration.Status?.Conditions, context.Now)));
            return MigrationText.ExitCodeOf(migration);
        });
        return command;
    }
}

/// <summary><c>kubectl podmigration watch</c>.</summary>
internal static class WatchCommand
{
    public static Command Build(CommandContext context)
    {
        var name = Options.Name("NAME", "Name of the PodMigration");
        name.CompletionSources.Add(Completer.Names<PodMigration>(context));
        var timeout = Options.WaitTimeout();
        var quiet = Options.Quiet();
        var output = Options.Output();
        var command = new ExampleCommand(
            "watch",
            "Follow a migration to its end, live on a terminal and line by line elsewhere.",
            "kubectl podmigration watch move-web",
            "kubectl podmigration watch move-web -q && echo moved")
        {
            name, timeout, quiet, output,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var session = context.Open(parsed);
            var migration = await session.Client.GetAsync<PodMigration>(
                session.Namespace, parsed.GetValue(name)!, cancellationToken);
            var format = parsed.GetValue(output);
            var terminal = format == OutputFormat.None
                ? context.Terminal
                : context.Terminal with { Out = context.Terminal.Error, IsInteractive = false };
            var last = await MigrationWait.RunAsync(
                context.Time, session.Client, migration, terminal, parsed.GetValue(timeout), parsed.GetValue(quiet),
                cancellationToken);
            if (format != OutputFormat.None)
            {
                ObjectPrinter.Write(context.Terminal.Out, format, last);
            }

            return MigrationText.ExitCodeOf(last);
        });
        return command;
    }
}
