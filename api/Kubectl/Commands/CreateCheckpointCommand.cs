using System.CommandLine;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Following;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary><c>kubectl create podcheckpoint</c>.</summary>
internal static class CreateCheckpointCommand
{
    public static Command Build(CommandContext context)
    {
        var name = Options.Name("NAME", "Name of the PodCheckpoint");
        var pod = Options.Text("--pod", "name", "Pod to take the checkpoint of");
        pod.CompletionSources.Add(Completer.Names<V1Pod>(context));
        var content =
            Options.Text("--from-content", "name", "Existing PodCheckpointContent to import instead of a pod");
        var uid = Options.Text("--pod-uid", "uid", "Only the pod with this uid, no namesake");
        var policy = Options.Text(
            "--deletion-policy", "policy",
            "The bytes, when the PodCheckpoint is deleted: Delete or Retain (default: Delete)",
            DeletionPolicies.Delete, DeletionPolicies.Retain);
        var creation = new Creation(context);
        var command = new ExampleCommand(
            "podcheckpoint",
            "Take a checkpoint of a running pod, which goes on running. It holds no manifest: keep the pod's "
            + "(kubectl get pod POD -o yaml), which restore needs when the pod is gone.",
            "kubectl create podcheckpoint before-upgrade --pod web --deletion-policy Retain --wait",
            "kubectl create podcheckpoint again --from-content pcpc-0b1c2d3e --dry-run=server")
        {
            name, pod, content, uid, policy,
        };
        creation.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetValue(pod) is null == result.GetValue(content) is null)
            {
                result.AddError("name what to keep: either --pod POD or --from-content CONTENT");
            }
        });
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var session = context.Open(parsed);
            var checkpoint = new PodCheckpoint
            {
                Metadata = new V1ObjectMeta { Name = parsed.GetValue(name), NamespaceProperty = session.Namespace },
                Spec = new PodCheckpointSpec
                {
                    // Absent on the wire, unless it is given: exactly one of the two may be there.
                    PodName = parsed.GetValue(pod)!,
                    PodCheckpointContentName = parsed.GetValue(content),
                    PodUID = parsed.GetValue(uid),
                    DeletionPolicy = parsed.GetValue(policy),
                },
            };
            return await creation.RunAsync(
                parsed,
                session,
                checkpoint,
                async (created, progress, limit, token) =>
                {
                    var quiet = creation.IsQuiet(parsed);
                    var where = $"{created.Metadata.Name} -n {created.Metadata.NamespaceProperty}";
                    var last = await new Waiting(session.Client, context.Time).UntilEndAsync(
                        created,
                        new CheckpointLines(progress.Out, progress.Error, context.Time, quiet),
                        limit,
                        $"Look at it:  kubectl podmigration inspect {where}\nThrow it away: kubectl delete "
                            + $"podcheckpoint {where}",
                        token);
                    if (!quiet)
                    {
                        Report.Write(progress, CheckpointText.Facts(last));
                    }
                    else if (CheckpointText.ExitCodeOf(last) != ExitCode.Ok)
                    {
                        progress.Error.WriteLine(
                            $"error: {ObjectNames.Of(last)}: {CheckpointText.Result(last)}: "
                                + $"{CheckpointText.Message(last)}");
                    }

                    return (last, CheckpointText.ExitCodeOf(last));
                },
                cancellationToken);
        });
        return command;
    }
}
