using System.CommandLine;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary><c>kubectl podmigration list</c>.</summary>
internal static class ListCommand
{
    public static Command Build(CommandContext context)
    {
        var all = Options.AllNamespaces("List the migrations of all namespaces");
        var output = Options.Output(wide: true);
        var pod = Options.Text("--pod", "name", "Only migrations of this pod");
        pod.CompletionSources.Add(Completer.Names<V1Pod>(context));
        var command = new ExampleCommand(
            "list", "List migrations, the oldest first.", "kubectl podmigration list -A",
            "kubectl podmigration list -o wide")
        {
            all, pod, output,
        };
        command.Aliases.Add("ls");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var session = context.Open(parsed);
            var scope = parsed.GetValue(all) ? null : session.Namespace;
            var items =
                (await session.Client.AllAsync<PodMigration>(new ListOptions { Namespace = scope }, cancellationToken))
                    .Where(migration => parsed.GetValue(pod) is not { } wanted || migration.Spec.PodName == wanted)
                    .OrderBy(migration => migration.Metadata.CreationTimestamp)
                    .ThenBy(migration => migration.Metadata.Name, StringComparer.Ordinal)
                        .ToList();
            var format = parsed.GetValue(output);
            if (format is OutputFormat.None or OutputFormat.Wide)
            {
                Write(context, items, scope, format == OutputFormat.Wide);
            }
            else
            {
                ObjectPrinter.WriteList(context.Terminal.Out, format, items);
            }

            return ExitCode.Ok;
        });
        return command;
    }

    private static void Write(CommandContext context, List<PodMigration> items, string? scope, bool wide)
    {
        if (items.Count == 0)
        {
            context.Terminal.Error.WriteLine(
                scope is null ? "No migrations found." : $"No migrations found in namespace {scope}.");
            return;
        }

        var table = MigrationText.List(items, scope is null, wide, context.Now);
        if (context.Terminal.IsInteractive)
        {
            Report.Write(context.Terminal, [], ("", table));
        }
        else
        {
            table.Write(context.Terminal.Out);
        }
    }
}
