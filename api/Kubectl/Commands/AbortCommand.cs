using System.CommandLine;
using k8s;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Following;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary><c>kubectl podmigration abort</c>.</summary>
internal static class AbortCommand
{
    public static Command Build(CommandContext context)
    {
        var name = Options.Name("NAME", "Name of the PodMigration");
        name.CompletionSources.Add(Completer.Names<PodMigration>(context));
        var wait = new Option<bool>("--wait") { Description = "Wait until the pod is in one safe place again" };
        var timeout = Options.WaitTimeout();
        var quiet = Options.Quiet();
        var command = new ExampleCommand(
            "abort",
            "Ask a migration to stop: before the target runs it is rolled back, after that it goes forward.",
            "kubectl podmigration abort move-web --wait")
        {
            name, wait, timeout, quiet,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var session = context.Open(parsed);
            var migration = await session.Client.GetAsync<PodMigration>(
                session.Namespace, parsed.GetValue(name)!, cancellationToken);
            if (MigrationText.HasEnded(migration))
            {
                throw new CommandException(
                    ExitCode.Refused,
                    $"{ObjectNames.Of(migration)} has ended already ({MigrationText.Result(migration)}); to undo it, "
                        + "migrate the pod back");
            }

            var asked = migration.Spec.Abort == true;
            if (!asked)
            {
                cancellationToken.ThrowIfCancellationRequested();
                migration = await session.Client.PatchAsync<PodMigration>(
                    session.Namespace, migration.Metadata.Name!, null, PatchType.Merge, """{"spec":{"abort":true}}""",
                    "kubectl-podmigration", CancellationToken.None);
            }

            if (!parsed.GetValue(quiet))
            {
                context.Terminal.Out.WriteLine(
                    $"{ObjectNames.Of(migration)} {(asked ? "was asked to stop before" : "asked to stop")}");
            }

            if (!parsed.GetValue(wait))
            {
                return ExitCode.Ok;
            }

            var last = await MigrationWait.RunAsync(
                context.Time, session.Client, migration, context.Terminal, parsed.GetValue(timeout),
                parsed.GetValue(quiet), cancellationToken);

            return IsStopped(last) ? ExitCode.Ok : ExitCode.Failed;
        });
        return command;
    }

    /// <summary>Whether the pod goes on where it was: that is what was asked for.</summary>
    internal static bool IsStopped(PodMigration migration) =>
        migration.Status?.Outcome
            is not (Outcomes.Restored or Outcomes.ColdStarted or Outcomes.Lost or Outcomes.SourceGone or Outcomes.Left);
}
