using System.CommandLine;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Following;
using PodCheckpointing.Kubectl.Output;
using PodCheckpointing.Kubectl.Restores;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary><c>kubectl podmigration restore</c>.</summary>
internal static class RestoreCommand
{
    public static Command Build(CommandContext context)
    {
        var name = Options.Name("CHECKPOINT", "Name of the PodCheckpoint");
        name.CompletionSources.Add(Completer.Names<PodCheckpoint>(context));
        var file = new Option<string?>("--filename", "-f")
        {
            HelpName = "file",
            Description =
                "Manifest of the pod that was dumped, - for the standard input (default: the pod itself, while it "
                    + "exists)",
        };
        var podName =
            Options.Text("--name", "name", "Name of the new pod (default: the manifest's, or POD-CHECKPOINT)");
        var to = Options.Text("--to", "node", "Node to start it on (default: the scheduler chooses)");
        to.CompletionSources.Add(Completer.Names<V1Node>(context));
        var creation = new Creation(context);
        var command = new ExampleCommand(
            "restore",
            "Create a pod that goes on from a checkpoint. Its containers must be the checkpoint's, with the same "
            + "images. "
            + "It keeps the labels of the pod that was dumped, but no controller's; init containers do not run again.",
            "kubectl podmigration restore before-upgrade --name web-again --wait",
            "kubectl podmigration restore before-upgrade -f web.yaml --dry-run=client -o yaml")
        {
            name, file, podName, to,
        };
        creation.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var session = context.Open(parsed);
            var checkpoint = await session.Client.GetAsync<PodCheckpoint>(
                session.Namespace, parsed.GetValue(name)!, cancellationToken);
            var artifact = ArtifactOf(checkpoint);
            var source = parsed.GetValue(file) is { } path
                ? Read(path, context.Terminal)
                : await LiveAsync(session, checkpoint, cancellationToken);
            var newName = parsed.GetValue(podName)
                ?? (parsed.GetValue(file) is not null && source.Metadata.Name is { Length: > 0 } given
                    ? given
                    : NameFor(source, checkpoint));
            var pod = RestoredPod.From(source, artifact, newName, session.Namespace, parsed.GetValue(to));
            return await creation.RunAsync(
                parsed, session, pod, (created, progress, limit, token) => WaitAsync(
                    context, session, created, progress, limit, creation.IsQuiet(parsed), token), cancellationToken);
        });
        return command;
    }

    private static ArtifactUri ArtifactOf(PodCheckpoint checkpoint) =>
        checkpoint.Status is { Ready: true, PodUID: { } uid, CheckpointID: { } id }
            ? ArtifactUri.ForPod(uid, id)
            : throw new CommandException(
                ExitCode.Refused,
                $"{ObjectNames.Of(checkpoint)} cannot be restored from: {CheckpointText.Result(checkpoint)}: "
                    + $"{CheckpointText.Message(checkpoint)}");

    private static V1Pod Read(string path, Terminal terminal)
    {
        if (path == "-")
        {
            return YamlFile.Pod("-", terminal.In);
        }

        using var reader = File.OpenText(path);
        return YamlFile.Pod(path, reader);
    }

    /// <summary>The pod that was dumped, and no namesake: a checkpoint does not hold the pod's manifest.</summary>
    private static async Task<V1Pod> LiveAsync(
        Session session, PodCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        var name = checkpoint.Spec.PodName;
        V1Pod? pod = null;
        if (!string.IsNullOrEmpty(name))
        {
            try
            {
                pod = await session.Client.GetAsync<V1Pod>(session.Namespace, name, cancellationToken);
            }
            catch (KubernetesException exception) when (exception.IsNotFound)
            {
            }
        }

        return pod is not null && pod.Metadata.Uid == checkpoint.Status!.PodUID
            ? pod
            : throw new CommandException(
                ExitCode.Refused,
                $"the pod that {ObjectNames.Of(checkpoint)} was made of is "
                + $"gone{(pod is null ? "" : $" (pod {name} is another one)")}, and a checkpoint holds no manifest: "
                + "give the pod's with --filename FILE (what it was created with, or what kubectl get pod -o yaml "
                + "said while it ran)");
    }

    private static string NameFor(V1Pod source, PodCheckpoint checkpoint)
    {
        var name = $"{source.Metadata.Name}-{checkpoint.Metadata.Name}";
        return name.Length <= 63 ? name : name[..63].TrimEnd('-', '.');
    }

    private static async Task<(V1Pod Last, int Code)> WaitAsync(
        CommandContext context, Session session, V1Pod pod, Terminal progress, TimeSpan? limit, bool quiet,
        CancellationToken cancellationToken)
    {
        var where = $"{pod.Metadata.Name} -n {pod.Metadata.NamespaceProperty}";
        var last = await new Waiting(session.Client, context.Time).UntilEndAsync(
            pod,
            new RestoreLines(progress.Out, progress.Error, context.Time, quiet),
            limit,
            $"Look at it:     kubectl describe pod {where}\nThrow it away:  kubectl delete pod {where}",
            cancellationToken);
        var outcome = RestoreOutcome.Of(last);
        if (outcome == Outcomes.Restored)
        {
            return (last, ExitCode.Ok);
        }

        progress.Error.WriteLine(
            $"error: {ObjectNames.Of(last)}: "
                + $"{outcome ?? $"ended ({last.Status?.Phase}) before the operator said anything: {last.Status?.Message}"}");
        return (last, ExitCode.Failed);
    }
}
