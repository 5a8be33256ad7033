using System.CommandLine;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Following;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary><c>kubectl podmigration deployment</c>.</summary>
internal static class DeploymentCommand
{
    public static Command Build(CommandContext context)
    {
        var name = Options.Name("NAME", "Name of the Deployment");
        name.CompletionSources.Add(Completer.Names<Deployment>(context));
        var from = Options.Text("--from", "node", "Node that the pods leave");
        var to = Options.Text("--to", "node", "Node that they go to");
        foreach (var node in new[] { from, to })
        {
            node.Required = true;
            node.CompletionSources.Add(Completer.Names<V1Node>(context));
        }

        var spec = new MigrationSpecOptions(context, "--pod", "--pod-uid", "--to");
        var dryRun = new Option<bool>("--plan") { Description = "Only say which pods would be moved" };
        var quiet = Options.Quiet();
        var command = new ExampleCommand(
            "deployment",
            "Move a Deployment's pods from one node to another, one after the other. Stops at the first that fails. "
            + "The restored pods take the places of their sources: the Deployment starts none.",
            "kubectl podmigration deployment web --from node-a --to node-b")
        {
            name, from, to, dryRun, quiet,
        };
        spec.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var session = context.Open(parsed);
            var (source, target) = (parsed.GetValue(from)!, parsed.GetValue(to)!);
            if (source == target)
            {
                throw new CommandException(ExitCode.Usage, $"--from and --to are both {source}: name two nodes");
            }

            var pods = await PodsAsync(session, parsed.GetValue(name)!, source, cancellationToken);
            if (parsed.GetValue(dryRun))
            {
                WritePlan(context.Terminal, pods, source, target);
                return ExitCode.Ok;
            }

            var moves = pods.ConvertAll(pod => new PodMove(pod));
            var wanted = spec.Read(parsed) with { TargetNode = target };
            try
            {
                foreach (var move in moves)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    move.Migration = await PodMove.CreateAsync(session.Client, move.Pod, wanted, labels: null);
                    if (!parsed.GetValue(quiet))
                    {
                        context.Terminal.Out.WriteLine($"{ObjectNames.Of(move.Migration)} created");
                    }

                    move.Migration = await MigrationWait.RunAsync(
                        context.Time, session.Client, move.Migration, context.Terminal, limit: null,
                        parsed.GetValue(quiet), cancellationToken);
                    if (!move.IsDone)
                    {
                        break;
                    }
                }
            }
            finally
            {
                if (!parsed.GetValue(quiet))
                {
                    PodMove.Write(context.Terminal, moves, allNamespaces: false);
                }
            }

            return moves.TrueForAll(move => move.IsDone) ? ExitCode.Ok : ExitCode.Failed;
        });
        return command;
    }

    private static async Task<List<V1Pod>> PodsAsync(
        Session session, string name, string node, CancellationToken cancellationToken)
    {
        var client = session.Client;
        var deployment = await client.GetAsync<Deployment>(session.Namespace, name, cancellationToken);
        var options =
            new ListOptions { Namespace = session.Namespace, LabelSelector = deployment.Spec.Selector.ToString() };
        var sets = (await client.AllAsync<ReplicaSet>(options, cancellationToken))
            .Where(set => IsOwnedBy(set.Metadata, deployment.Metadata.Uid))
            .Select(set => set.Metadata.Uid)
            .ToHashSet();
        var pods = (await client.AllAsync<V1Pod>(options, cancellationToken))
            .Where(pod => pod.Metadata.DeletionTimestamp is null && sets.Any(set => IsOwnedBy(pod.Metadata, set)))
            .OrderBy(pod => pod.Metadata.Name, StringComparer.Ordinal)
            .ToList();
        var here = pods.Where(pod => pod.Spec.NodeName == node).ToList();
        return here.Count > 0
            ? here
            : throw new CommandException(
                ExitCode.Refused,
                $"Deployment {name} has no pod on --from {node}; its pods are on: "
                + (pods.Count == 0
                    ? "no node"
                    : string.Join(", ", pods.Select(pod => pod.Spec.NodeName ?? "no node yet").Distinct().Order())));
    }

    private static bool IsOwnedBy(V1ObjectMeta item, string? uid) =>
        item.OwnerReferences?.Any(owner => owner.Controller == true && owner.Uid == uid) == true;

    private static void WritePlan(Terminal terminal, List<V1Pod> pods, string source, string target)
    {
        foreach (var pod in pods)
        {
            terminal.Out.WriteLine($"pod/{pod.Metadata.Name}: {source} -> {target}");
        }
    }
}
