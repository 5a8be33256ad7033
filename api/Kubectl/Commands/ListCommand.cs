using System.CommandLine;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
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
            "list", "List migrations, the oldest first.", "kubectl podmigration list -A", "kubectl podmigration list -o wide")
        {
            all, pod, output,
        };
        command.Aliases.Add("ls");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var session = context.Open(parsed);
            var scope = parsed.GetValue(all) ? null : session.Namespace;
            var items = (await AllAsync<PodMigration>(session.Client, new ListOptions { Namespace = scope }, cancellationToken))
                .Where(migration => parsed.GetValue(pod) is not { } wanted || migration.Spec.PodName == wanted)
                .OrderBy(migration => migration.Metadata.CreationTimestamp).ThenBy(migration => migration.Metadata.Name, StringComparer.Ordinal)
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

    /// <summary>Every page of a list.</summary>
    public static async Task<List<T>> AllAsync<T>(IKubernetes client, ListOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> => (await AllWithVersionAsync<T>(client, options, cancellationToken)).Items;

    /// <summary>Every page of a list, and the version to watch from.</summary>
    public static async Task<(List<T> Items, string? Version)> AllWithVersionAsync<T>(
        IKubernetes client, ListOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        var (items, version) = (new List<T>(), (string?)null);
        options = options with { Limit = 500 };
        do
        {
            var page = await client.ListAsync<T>(options, cancellationToken);
            items.AddRange(page.Items);
            // The first page's: a page that was listed anew, its token being too old, is from later.
            version ??= page.Metadata.ResourceVersion;
            options = options with { Continue = page.Metadata.Continue };
        }
        while (!string.IsNullOrEmpty(options.Continue));
        return (items, version);
    }

    private static void Write(CommandContext context, List<PodMigration> items, string? scope, bool wide)
    {
        if (items.Count == 0)
        {
            context.Terminal.Error.WriteLine(scope is null ? "No migrations found." : $"No migrations found in namespace {scope}.");
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
