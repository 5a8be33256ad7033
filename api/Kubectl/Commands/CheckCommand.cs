using System.CommandLine;
using System.Net;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Checks;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary><c>kubectl podmigration check</c>.</summary>
internal static class CheckCommand
{
    private const string Unseen =
        "Not seen from here: the kubelets' checkpoint endpoint, CRIU and its abilities, the shared volume and its space, "
        + "connected TCP sockets, devices. The operator asks the agents for these when a migration begins, before anything is stopped.";

    public static Command Build(CommandContext context)
    {
        var name = new Argument<string>("POD") { HelpName = "POD", Description = "Pod to look at" };
        name.CompletionSources.Add(Completer.Names<V1Pod>(context));
        var to = Options.Text("--to", "node", "Node to move it to");
        to.CompletionSources.Add(Completer.Names<V1Node>(context));
        var tcp = Options.Text("--tcp-policy", "policy", "As for create podmigration");
        var onFailure = Options.Text("--on-failure", "policy", "As for create podmigration");
        var service = Options.Text("--service", "name", "As for create podmigration");
        var quiet = Options.Quiet();
        var command = new ExampleCommand(
            "check",
            "Say beforehand what would keep a pod from being moved, as far as objects show it. Changes nothing.",
            "kubectl podmigration check web --to node-b")
        {
            name, to, tcp, onFailure, service, quiet,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var session = context.Open(parsed);
            var spec = new PodMigrationSpec
            {
                PodName = parsed.GetValue(name)!,
                TargetNode = parsed.GetValue(to),
                TcpPolicy = parsed.GetValue(tcp),
                OnFailure = parsed.GetValue(onFailure),
                ServiceName = parsed.GetValue(service),
            };
            var findings = await FindAsync(session, spec, cancellationToken);
            var good = findings.All(finding => finding.Verdict != Verdict.No);
            if (!parsed.GetValue(quiet))
            {
                Write(context.Terminal, spec, findings, good);
            }

            return good ? ExitCode.Ok : ExitCode.Failed;
        });
        return command;
    }

    private static async Task<List<Finding>> FindAsync(Session session, PodMigrationSpec spec, CancellationToken cancellationToken)
    {
        var client = session.Client;
        var pod = await client.GetAsync<V1Pod>(session.Namespace, spec.PodName, cancellationToken);
        List<Finding> findings = [.. SpecCheck.Of(spec, pod), .. PodCheck.Of(pod)];
        findings.Add(await OthersAsync(session, spec, cancellationToken));
        findings.Add(await RuntimeClassAsync(client, cancellationToken));
        var agents = await TryAsync(
            () => ListCommand.AllAsync<V1Pod>(client, new ListOptions { LabelSelector = NodeCheck.AgentSelector }, cancellationToken));
        var source = string.IsNullOrEmpty(pod.Spec.NodeName)
            ? null
            : await NodeAsync(client, "source node", pod.Spec.NodeName, findings, agents, cancellationToken);
        if (string.IsNullOrEmpty(spec.TargetNode))
        {
            findings.Add(new Finding("target node", Verdict.Unknown, "none is named: the operator chooses a ready node whose agent can restore"));
            return findings;
        }

        var target = await NodeAsync(client, "target node", spec.TargetNode, findings, agents, cancellationToken);
        if (source is not null && target is not null)
        {
            findings.AddRange(NodeCheck.Pair(pod, source, target));
        }

        return findings;
    }

    private static async Task<Finding> OthersAsync(Session session, PodMigrationSpec spec, CancellationToken cancellationToken)
    {
        var other = (await ListCommand.AllAsync<PodMigration>(session.Client, new ListOptions { Namespace = session.Namespace }, cancellationToken))
            .FirstOrDefault(migration => migration.Spec.PodName == spec.PodName && !MigrationText.HasEnded(migration));
        return other is null
            ? new Finding("migrations", Verdict.Ok, "no other migration of the pod is under way")
            : new Finding("migrations", Verdict.No, $"{other.Metadata.Name} of the same pod is under way: wait for it or abort it");
    }

    private static async Task<Finding> RuntimeClassAsync(IKubernetes client, CancellationToken cancellationToken)
    {
        const string subject = "RuntimeClass";
        try
        {
            return await TryAsync(() => client.GetAsync<RuntimeClass>(null, WellKnown.RestoreRuntimeClass, cancellationToken)) is null
                ? new Finding(subject, Verdict.Unknown, "you may not read RuntimeClasses")
                : new Finding(subject, Verdict.Ok, $"{WellKnown.RestoreRuntimeClass} exists");
        }
        catch (KubernetesException exception) when (exception.IsNotFound)
        {
            return new Finding(
                subject, Verdict.Warning, $"{WellKnown.RestoreRuntimeClass} does not exist: an API server that checks it refuses the target pod; install it with the agent");
        }
    }

    private static async Task<V1Node?> NodeAsync(
        IKubernetes client, string subject, string name, List<Finding> findings, List<V1Pod>? agents, CancellationToken cancellationToken)
    {
        V1Node? node = null;
        try
        {
            node = await TryAsync(() => client.GetAsync<V1Node>(null, name, cancellationToken));
            findings.Add(node is null ? new Finding(subject, Verdict.Unknown, "you may not read nodes") : NodeCheck.Ready(subject, node));
        }
        catch (KubernetesException exception) when (exception.IsNotFound)
        {
            findings.Add(new Finding(subject, Verdict.No, $"{name} does not exist: see kubectl get nodes"));
            return null;
        }

        findings.Add(NodeCheck.Agent(name, agents));
        return node;
    }

    // What a user may not read is not known; that is no reason to stop.
    private static async Task<T?> TryAsync<T>(Func<Task<T>> read)
        where T : class
    {
        try
        {
            return await read();
        }
        catch (KubernetesException exception) when (exception.Code == HttpStatusCode.Forbidden)
        {
            return null;
        }
    }

    private static void Write(Terminal terminal, PodMigrationSpec spec, List<Finding> findings, bool good)
    {
        var table = new TextTable("CHECK", "RESULT", "MESSAGE");
        foreach (var finding in findings)
        {
            table.Add(finding.Subject, finding.Verdict.ToString().ToLowerInvariant(), finding.Message);
        }

        Report.Write(terminal, [], ("", table));
        terminal.Out.WriteLine();
        terminal.Out.WriteLine(good
            ? $"Nothing that can be seen from here keeps pod {spec.PodName} from being moved."
            : $"Pod {spec.PodName} cannot be moved like this.");
        terminal.Out.WriteLine(Unseen);
    }
}
