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
    private const string TargetNode = "target node";

    private const string Unseen =
        "Not seen from here: the kubelets' checkpoint endpoint, CRIU and the processors, the shared volume and its "
        + "space, what the pod's processes have open. "
        + "With --ask the operator asks the nodes for these; it does so anyway when a migration begins, before "
        + "anything is stopped.";

    public static Command Build(CommandContext context)
    {
        var name = Options.Name("POD", "Pod to look at");
        name.CompletionSources.Add(Completer.Names<V1Pod>(context));
        var to = Options.Text("--to", "node", "Node to move it to");
        to.CompletionSources.Add(Completer.Names<V1Node>(context));
        var tcp = Options.Text("--tcp-policy", "policy", "As for create podmigration");
        var onFailure = Options.Text("--on-failure", "policy", "As for create podmigration");
        var service = Options.Text("--service", "name", "As for create podmigration");
        service.CompletionSources.Add(Completer.Names<V1Service>(context));
        var ask = new Option<bool>("--ask")
        {
            Description =
                "Have the operator say it, who asks the nodes, too: by a PodMigration with spec.dryRun, which is "
                    + "removed again",
        };
        var quiet = Options.Quiet();
        var command = new ExampleCommand(
            "check",
            "Say beforehand what would keep a pod from being moved: as far as objects show it, or with --ask all of "
                + "it. The pod is not touched.",
            "kubectl podmigration check web --to node-b",
            "kubectl podmigration check web --to node-b --service web --ask")
        {
            name, to, tcp, onFailure, service, ask, quiet,
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
            var asks = parsed.GetValue(ask);
            var findings = asks
                ? [.. OperatorCheck.Of(
                    await OperatorQuestion.AskAsync(
                        context, session.Client, session.Namespace, spec, cancellationToken))]
                : await FindAsync(session, spec, cancellationToken);
            var good = findings.All(finding => finding.Verdict != Verdict.No);
            if (!parsed.GetValue(quiet))
            {
                Write(context.Terminal, spec, findings, good, asks);
            }

            return good ? ExitCode.Ok : ExitCode.Failed;
        });
        return command;
    }

    private static async Task<List<Finding>> FindAsync(
        Session session, PodMigrationSpec spec, CancellationToken cancellationToken)
    {
        var client = session.Client;
        var pod = await client.GetAsync<V1Pod>(session.Namespace, spec.PodName, cancellationToken);
        List<Finding> findings = [.. SpecCheck.Of(spec, pod), .. PodCheck.Of(pod)];
        findings.Add(await OthersAsync(session, spec, cancellationToken));
        findings.Add(await RuntimeClassAsync(client, cancellationToken));
        if (!string.IsNullOrEmpty(spec.ServiceName))
        {
            findings.Add(ServiceCheck.Of(await client.FindAsync<V1Service>(
                session.Namespace, spec.ServiceName, cancellationToken), spec.ServiceName, pod));
        }

        var agents = await Reading.TryAsync(
            () => client.AllAsync<V1Pod>(new ListOptions { LabelSelector = AgentPods.Selector }, cancellationToken));
        // Also those of other nodes: they may keep the pod away from a whole zone.
        var others = await Reading.TryAsync(() => client.AllAsync<V1Pod>(new ListOptions(), cancellationToken));
        var nodes = await Reading.TryAsync(() => client.AllAsync<V1Node>(new ListOptions(), cancellationToken));
        var source = string.IsNullOrEmpty(pod.Spec.NodeName)
            ? null
            : await NodeAsync(client, "source node", pod.Spec.NodeName, findings, agents, cancellationToken);
        if (string.IsNullOrEmpty(spec.TargetNode))
        {
            var claims = await ClaimsAsync(client, pod, null, findings, cancellationToken);
            findings.AddRange(nodes is null
                ? [new Finding(
                    TargetNode,
                    Verdict.Unknown,
                    "none is named, and you may not list nodes: the operator chooses one that is ready and has room")]
                : NodeCheck.Choice(pod, claims, nodes, others));
            return findings;
        }

        var target = await NodeAsync(client, TargetNode, spec.TargetNode, findings, agents, cancellationToken);
        await ClaimsAsync(client, pod, target, findings, cancellationToken);
        if (target is not null)
        {
            findings.AddRange(NodeCheck.Fit(
                TargetNode, pod, target, others, NodeCheck.Placement(pod, others, nodes), isChosen: false));
        }

        if (source is not null && target is not null)
        {
            findings.AddRange(NodeCheck.Pair(source, target));
        }

        return findings;
    }

    private static async Task<List<MountedClaim>> ClaimsAsync(
        IKubernetes client, V1Pod pod, V1Node? target, List<Finding> findings, CancellationToken cancellationToken)
    {
        var claims = new List<MountedClaim>();
        foreach (var claim in MountedClaim.Of(pod))
        {
            var seen = true;
            var read = await Reading.TryAsync(() => claim.ReadAsync(
                pod.Metadata.NamespaceProperty!,
                (space, name) => client.FindAsync<V1PersistentVolumeClaim>(space, name, cancellationToken),
                async name =>
                {
                    try
                    {
                        return await client.FindAsync<V1PersistentVolume>(null, name, cancellationToken);
                    }
                    catch (KubernetesException exception) when (exception.Code == HttpStatusCode.Forbidden)
                    {
                        // Users of a namespace may read its claims, whose status has the
                        // volume's access modes, and no volumes.
                        seen = false;
                        return new V1PersistentVolume { Metadata = new V1ObjectMeta { Name = name } };
                    }
                }));
            findings.Add(read is null ? VolumeCheck.Unread(claim) : VolumeCheck.Of(read, target, seen));
            claims.Add(read ?? claim);
        }

        return claims;
    }

    private static async Task<Finding> OthersAsync(
        Session session, PodMigrationSpec spec, CancellationToken cancellationToken)
    {
        var other = (await session.Client.AllAsync<PodMigration>(
            new ListOptions { Namespace = session.Namespace }, cancellationToken))
            .FirstOrDefault(migration => migration.Spec.PodName == spec.PodName && !MigrationText.HasEnded(migration));
        return other is null
            ? new Finding("migrations", Verdict.Ok, "no other migration of the pod is under way")
            : new Finding(
                "migrations", Verdict.No,
                $"{other.Metadata.Name} of the same pod is under way: wait for it or abort it");
    }

    private static async Task<Finding> RuntimeClassAsync(IKubernetes client, CancellationToken cancellationToken)
    {
        const string subject = "RuntimeClass";
        try
        {
            return await Reading.TryAsync(
                () => client.GetAsync<RuntimeClass>(null, WellKnown.RestoreRuntimeClass, cancellationToken)) is null
                ? new Finding(subject, Verdict.Unknown, "you may not read RuntimeClasses")
                : new Finding(subject, Verdict.Ok, $"{WellKnown.RestoreRuntimeClass} exists");
        }
        catch (KubernetesException exception) when (exception.IsNotFound)
        {
            return new Finding(
                subject, Verdict.Warning,
                $"{WellKnown.RestoreRuntimeClass} does not exist: an API server that checks it refuses the target "
                    + "pod; install it with the agent");
        }
    }

    private static async Task<V1Node?> NodeAsync(
        IKubernetes client, string subject, string name, List<Finding> findings, List<V1Pod>? agents,
        CancellationToken cancellationToken)
    {
        V1Node? node = null;
        try
        {
            node = await Reading.TryAsync(() => client.GetAsync<V1Node>(null, name, cancellationToken));
            findings.Add(node is null
                ? new Finding(subject, Verdict.Unknown, "you may not read nodes")
                : NodeCheck.Ready(subject, node));
        }
        catch (KubernetesException exception) when (exception.IsNotFound)
        {
            findings.Add(new Finding(subject, Verdict.No, $"{name} does not exist: see kubectl get nodes"));
            return null;
        }

        // Who may not see what the operator tells of nodes may see the agents' pods.
        findings.Add(
            await Reading.TryAsync(() => client.FindAsync<CheckpointNode>(null, name, cancellationToken)) is { } told
            ? NodeCheck.Told(told, subject == TargetNode)
            : NodeCheck.Agent(name, agents));
        return node;
    }

    private static void Write(
        Terminal terminal, PodMigrationSpec spec, IReadOnlyList<Finding> findings, bool good, bool asked)
    {
        var table = new TextTable("CHECK", "RESULT", "MESSAGE");
        foreach (var finding in findings)
        {
            table.Add(finding.Subject, finding.Verdict.ToString().ToLowerInvariant(), finding.Message);
        }

        Report.Write(terminal, [], ("", table));
        terminal.Out.WriteLine();
        terminal.Out.WriteLine(!good ? $"Pod {spec.PodName} cannot be moved like this."
            : asked ? $"Pod {spec.PodName} can be moved."
            : $"Nothing that can be seen from here keeps pod {spec.PodName} from being moved.");
        if (!asked)
        {
            terminal.Out.WriteLine(Unseen);
        }
    }
}
