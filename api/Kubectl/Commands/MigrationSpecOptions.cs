using System.CommandLine;
using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary>The flags that say how a pod is to be moved, each command's but those that it answers itself.</summary>
internal sealed class MigrationSpecOptions
{
    private readonly Option<string?> _pod = Options.Text("--pod", "name", "Pod to move");
    private readonly Option<string?> _to =
        Options.Text("--to", "node", "Node to move it to (default: the operator chooses)");
    private readonly Option<string?> _service =
        Options.Text("--service", "name", "Service whose endpoints must lead to the restored pod");
    private readonly Option<string?> _tcp = Options.Text(
        "--tcp-policy", "policy", "Connected TCP sockets: Close, Established or Reject (default: Close)",
        TcpPolicies.Close, TcpPolicies.Established, TcpPolicies.Reject);

    private readonly Option<string?> _onFailure = Options.Text(
        "--on-failure", "policy", "After a failure: Rollback, ColdStart or Leave (default: Rollback)",
        OnFailurePolicies.Rollback, OnFailurePolicies.ColdStart, OnFailurePolicies.Leave);

    private readonly Option<TimeSpan?> _timeout =
        Options.Duration("--timeout", "Roll back what is not restored after so long (default: 5m)");
    private readonly Option<string?> _retention = Options.Text(
        "--retention", "policy", "The checkpoint afterwards: Delete or Retain (default: Delete)",
        DeletionPolicies.Delete, DeletionPolicies.Retain);

    private readonly Option<TimeSpan?> _ttl =
        Options.Duration("--ttl", "Delete the PodMigration so long after its end, for example 24h (default: keep it)");

    private readonly Option<string?> _uid =
        Options.Text("--pod-uid", "uid", "Move only the pod with this uid, no namesake");

    private readonly List<Option> _options;

    /// <param name="context">What every command has.</param>
    /// <param name="without">The names of those that the command does not have.</param>
    public MigrationSpecOptions(CommandContext context, params string[] without)
    {
        _pod.Required = true;
        _pod.CompletionSources.Add(Completer.Names<V1Pod>(context));
        _to.CompletionSources.Add(Completer.Names<V1Node>(context));
        _options = [.. new Option[] { _pod, _uid, _to, _service, _tcp, _onFailure, _timeout, _retention, _ttl }.Where(
            option => !without.Contains(option.Name))];
    }

    public void AddTo(Command command) => _options.ForEach(command.Add);

    /// <summary>What was asked for. Words are not looked at here: the API server knows which ones there are.</summary>
    public PodMigrationSpec Read(ParseResult parsed) => new()
    {
        PodName = Of(parsed, _pod) ?? "",
        TargetNode = Of(parsed, _to),
        ServiceName = Of(parsed, _service),
        PodUID = Of(parsed, _uid),
        TcpPolicy = Of(parsed, _tcp),
        OnFailure = Of(parsed, _onFailure),
        TimeoutSeconds = SecondsOf(parsed, _timeout),
        CheckpointRetention = Of(parsed, _retention),
        TtlSecondsAfterFinished = SecondsOf(parsed, _ttl),
    };

    private T? Of<T>(ParseResult parsed, Option<T?> option) =>
        _options.Contains(option) ? parsed.GetValue(option) : default;

    private int? SecondsOf(ParseResult parsed, Option<TimeSpan?> option) =>
        Of(parsed, option) is { } time ? (int)Math.Ceiling(time.TotalSeconds) : null;
}
