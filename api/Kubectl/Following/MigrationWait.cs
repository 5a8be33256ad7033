using k8s;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Following;

/// <summary>Waits for a migration and reports what has become of it.</summary>
internal static class MigrationWait
{
    public static async Task<PodMigration> RunAsync(
        TimeProvider time,
        IKubernetes client,
        PodMigration migration,
        Terminal terminal,
        TimeSpan? limit,
        bool quiet,
        CancellationToken cancellationToken)
    {
        IProgressView<PodMigration> view = terminal.IsInteractive && !quiet
            ? new MigrationLive(terminal, time)
            : new MigrationLines(terminal.Out, terminal.Error, time, quiet);
        var where = $"{migration.Metadata.Name} -n {migration.Metadata.NamespaceProperty}";
        var last = await new Waiting(client, time).UntilEndAsync(
            migration,
            view,
            limit,
            $"Go on watching: kubectl podmigration watch {where}\nStop it:        kubectl podmigration abort {where}",
            cancellationToken);
        if (!quiet)
        {
            Write(terminal, last, time.GetUtcNow().UtcDateTime);
        }
        else if (MigrationText.ExitCodeOf(last) != ExitCode.Ok)
        {
            terminal.Error.WriteLine(
                $"error: {ObjectNames.Of(last)}: {MigrationText.Result(last)}: {last.Status?.Message}");
        }

        return last;
    }

    /// <summary>The final report, with its times.</summary>
    public static void Write(Terminal terminal, PodMigration migration, DateTime now) =>
        Report.Write(terminal, MigrationText.Facts(migration, now), ("", MigrationText.Steps(migration, now)));
}
