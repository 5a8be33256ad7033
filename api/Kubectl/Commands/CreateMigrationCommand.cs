using System.CommandLine;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Following;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary><c>kubectl create podmigration</c>.</summary>
internal static class CreateMigrationCommand
{
    public static Command Build(CommandContext context)
    {
        var name = Options.Name("NAME", "Name of the PodMigration");
        var spec = new MigrationSpecOptions(context, podRequired: true);
        var creation = new Creation(context);
        var check = new Option<bool>("--check")
        {
            Description = "Only have the operator say what stands in the way (spec.dryRun): the PodMigration is created, and the pod is not touched",
        };
        var command = new ExampleCommand(
            "podmigration",
            "Move a running pod to another node.",
            "kubectl create podmigration move-web --pod web --to node-b --wait",
            "kubectl create podmigration may-web-move --pod web --to node-b --check --wait",
            "kubectl create podmigration move-web --pod web --dry-run=client -o yaml")
        {
            name,
        };
        spec.AddTo(command);
        command.Add(check);
        creation.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var session = context.Open(parsed);
            var migration = new PodMigration
            {
                Metadata = new V1ObjectMeta { Name = parsed.GetValue(name), NamespaceProperty = session.Namespace },
                // Absent, not false, where it is not asked for: absence is what the documentation describes.
                Spec = spec.Read(parsed) with { DryRun = parsed.GetValue(check) ? true : null },
            };
            return await creation.RunAsync(
                parsed,
                session,
                migration,
                async (created, progress, limit, token) =>
                {
                    var last = await MigrationWait.RunAsync(context, session.Client, created, progress, limit, creation.IsQuiet(parsed), token);
                    return (last, MigrationText.ExitCodeOf(last));
                },
                cancellationToken);
        });
        return command;
    }
}

/// <summary>The flags that say how a pod is to be moved.</summary>
internal sealed class MigrationSpecOptions
{
    private readonly Option<string?> _pod;
    private readonly Option<string?> _to = Options.Text("--to", "node", "Node to move it to (default: the operator chooses)");
    private readonly Option<string?> _service = Options.Text("--service", "name", "Service whose endpoints must lead to the restored pod");
    private readonly Option<string?> _tcp = Options.Text(
        "--tcp-policy", "policy", "Connected TCP sockets: Close, Established or Reject (default: Close)",
        TcpPolicies.Close, TcpPolicies.Established, TcpPolicies.Reject);

    private readonly Option<string?> _onFailure = Options.Text(
        "--on-failure", "policy", "After a failure: Rollback, ColdStart or Leave (default: Rollback)",
        OnFailurePolicies.Rollback, OnFailurePolicies.ColdStart, OnFailurePolicies.Leave);

    private readonly Option<TimeSpan?> _timeout = Options.Duration("--timeout", "Roll back what is not restored after so long (default: 5m)");
    private readonly Option<string?> _retention = Options.Text(
        "--retention", "policy", "The checkpoint afterwards: Delete or Retain (default: Delete)", DeletionPolicies.Delete, DeletionPolicies.Retain);

    private readonly Option<TimeSpan?> _ttl = Options.Duration("--ttl", "Delete the PodMigration so long after its end, for example 24h (default: keep it)");

    private readonly Option<string?> _uid = Options.Text("--pod-uid", "uid", "Move only the pod with this uid, no namesake");

    public MigrationSpecOptions(CommandContext context, bool podRequired)
    {
        _pod = Options.Text("--pod", "name", "Pod to move");
        _pod.Required = podRequired;
        HasPod = podRequired;
        _pod.CompletionSources.Add(Completer.Names<V1Pod>(context));
        _to.CompletionSources.Add(Completer.Names<V1Node>(context));
    }

    private bool HasPod { get; }

    public void AddTo(Command command)
    {
        if (HasPod)
        {
            command.Add(_pod);
            command.Add(_uid);
        }

        foreach (var option in new Option[] { _to, _service, _tcp, _onFailure, _timeout, _retention, _ttl })
        {
            // A Deployment's command says itself where to.
            if (HasPod || option != _to)
            {
                command.Add(option);
            }
        }
    }

    /// <summary>What was asked for. Words are not looked at here: the API server knows which ones there are.</summary>
    public PodMigrationSpec Read(ParseResult parsed) => new()
    {
        PodName = (HasPod ? parsed.GetValue(_pod) : null) ?? "",
        TargetNode = HasPod ? parsed.GetValue(_to) : null,
        ServiceName = parsed.GetValue(_service),
        PodUID = HasPod ? parsed.GetValue(_uid) : null,
        TcpPolicy = parsed.GetValue(_tcp),
        OnFailure = parsed.GetValue(_onFailure),
        TimeoutSeconds = parsed.GetValue(_timeout) is { } timeout ? (int)Math.Ceiling(timeout.TotalSeconds) : null,
        CheckpointRetention = parsed.GetValue(_retention),
        TtlSecondsAfterFinished = parsed.GetValue(_ttl) is { } ttl ? (int)Math.Ceiling(ttl.TotalSeconds) : null,
    };
}
