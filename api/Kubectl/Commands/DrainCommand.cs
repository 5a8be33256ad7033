using System.CommandLine;
using k8s.Models;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary><c>kubectl podmigration drain</c>.</summary>
internal static class DrainCommand
{
    public static Command Build(CommandContext context)
    {
        var name = Options.Name("NODE", "Node to empty");
        name.CompletionSources.Add(Completer.Names<V1Node>(context));
        var plan = new Option<bool>("--plan")
        {
            Description = "Only have the operator say what would become of each pod; nothing is changed",
        };
        var selector = Options.Text("--selector", "labels", "Only pods with these labels, for example app=web");
        selector.Aliases.Add("-l");
        var all = Options.AllNamespaces("Pods of all namespaces: the default, unless -n names one");
        var spec = new MigrationSpecOptions(context, "--pod", "--pod-uid", "--service");
        var timeout = Options.WaitTimeout();
        var quiet = Options.Quiet();
        var command = new ExampleCommand(
            "drain",
            "Cordon a node and move its pods away, with their memory, as many at once as the operator lets. What "
            + "cannot move stays and is named: "
            + "nothing is evicted, and so no PodDisruptionBudget is asked; each pod stands still for its own "
            + "downtime. Run again, it joins what is under way.",
            "kubectl podmigration drain node-a --plan",
            "kubectl podmigration drain node-a",
            "kubectl podmigration drain node-a -n shop --selector app=web --to node-b --ttl 24h")
        {
            name, plan, selector, all,
        };
        spec.AddTo(command);
        command.Add(timeout);
        command.Add(quiet);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var session = context.Open(parsed);
            var (node, wanted) = (parsed.GetValue(name)!, spec.Read(parsed));
            if (wanted.TargetNode == node)
            {
                throw new CommandException(
                    ExitCode.Usage, $"--to {node} is the node that is to be emptied: name another one");
            }

            // Where kubectl drain looks, too: of a context's namespace nobody thinks who empties a node.
            var given = parsed.GetValue(context.Global.Namespace);
            var pods = new NodePods(
                node, parsed.GetValue(all) || string.IsNullOrEmpty(given) ? null : given, parsed.GetValue(selector));
            var good = parsed.GetValue(plan)
                ? await new DrainPlan(context, session.Client, pods, wanted).RunAsync(
                    parsed.GetValue(quiet), cancellationToken)
                : await new Drain(context, session.Client, pods, wanted, parsed.GetValue(quiet)).RunAsync(
                    parsed.GetValue(timeout), cancellationToken);
            return good ? ExitCode.Ok : ExitCode.Failed;
        });
        return command;
    }
}
