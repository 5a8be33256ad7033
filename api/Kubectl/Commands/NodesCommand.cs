using System.CommandLine;
using k8s;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Following;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary><c>kubectl podmigration nodes</c>.</summary>
internal static class NodesCommand
{
    public static Command Build(CommandContext context)
    {
        var name = Options.Name("NODE", "Node to show all of (default: one line for each node)");
        name.Arity = ArgumentArity.ZeroOrOne;
        name.CompletionSources.Add(Completer.Names<CheckpointNode>(context));
        var output = Options.Output(wide: true);
        var command = new ExampleCommand(
            "nodes",
            "Say which nodes pods can be moved away from and to; of one node also what it lacks, and what to do. "
                + "Fails when one is not ready.",
            "kubectl podmigration nodes",
            "kubectl podmigration nodes node-b")
        {
            name, output,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var session = context.Open(parsed);
            var format = parsed.GetValue(output);
            return parsed.GetValue(name) is { } one
                ? Show(context, await session.Client.GetAsync<CheckpointNode>(null, one, cancellationToken), format)
                : List(context, await session.Client.AllAsync<CheckpointNode>(
                    new ListOptions(), cancellationToken), format);
        });
        return command;
    }

    private static int Show(CommandContext context, CheckpointNode node, OutputFormat format)
    {
        if (format is OutputFormat.None or OutputFormat.Wide)
        {
            Report.Write(context.Terminal, NodeText.Facts(node, context.Now));
        }
        else
        {
            ObjectPrinter.Write(context.Terminal.Out, format, node);
        }

        return NodeText.IsReady(node) ? ExitCode.Ok : ExitCode.Failed;
    }

    private static int List(CommandContext context, List<CheckpointNode> nodes, OutputFormat format)
    {
        nodes.Sort((one, other) => string.CompareOrdinal(one.Metadata.Name, other.Metadata.Name));
        if (format is not (OutputFormat.None or OutputFormat.Wide))
        {
            ObjectPrinter.WriteList(context.Terminal.Out, format, nodes);
        }
        else if (nodes.Count == 0)
        {
            context.Terminal.Error.WriteLine(
                "No nodes found: the operator tells of each. Does it run? " + Waiting.LookForOperator);
        }
        else
        {
            Report.Write(context.Terminal, [], ("", NodeText.List(nodes, format == OutputFormat.Wide, context.Now)));
        }

        return nodes.Count > 0 && nodes.TrueForAll(NodeText.IsReady) ? ExitCode.Ok : ExitCode.Failed;
    }
}
