using System.CommandLine;
using System.Net;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary><c>kubectl podmigration inspect</c>.</summary>
internal static class InspectCommand
{
    public static Command Build(CommandContext context)
    {
        var name = Options.Name("CHECKPOINT", "Name of the PodCheckpoint");
        name.CompletionSources.Add(Completer.Names<PodCheckpoint>(context));
        var output = Options.Output();
        var command = new ExampleCommand(
            "inspect",
            "Show what a checkpoint is made of: containers, sizes, digests, where it was taken, by which runtime and "
                + "CRIU.",
            "kubectl podmigration inspect before-upgrade")
        {
            name, output,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var session = context.Open(parsed);
            var checkpoint = await session.Client.GetAsync<PodCheckpoint>(
                session.Namespace, parsed.GetValue(name)!, cancellationToken);
            if (parsed.GetValue(output) is var format && format != OutputFormat.None)
            {
                ObjectPrinter.Write(context.Terminal.Out, format, checkpoint);
                return CheckpointText.ExitCodeOf(checkpoint);
            }

            var parts = (await session.Client.AllAsync<ContainerCheckpoint>(
                new ListOptions { Namespace = session.Namespace }, cancellationToken))
                .Where(
                    part => part.Metadata.OwnerReferences?.Any(owner => owner.Uid == checkpoint.Metadata.Uid) == true)
                .OrderBy(part => part.Spec.ContainerName, StringComparer.Ordinal)
                .ToList();
            var contents = new Contents(session);
            var content =
                await contents.ReadAsync<PodCheckpointContent>(checkpoint.Status?.BoundContentName, cancellationToken);
            var containers = new TextTable(
                "CONTAINER", "READY", "SIZE", "STORED", "DIGEST", "IMAGE", "RUNTIME", "CRIU", "STOPPED AT");
            foreach (var part in parts)
            {
                Add(containers, part, await contents.ReadAsync<ContainerCheckpointContent>(
                    part.Status?.BoundContentName, cancellationToken));
            }

            (string Label, string Value)[] facts =
            [
                .. CheckpointText.Facts(checkpoint),
                ("Binding", BindingOf(checkpoint, content)),
                ("Artifact", content?.Status?.ArtifactURI ?? ""),
            ];
            Report.Write(
                context.Terminal,
                [.. facts.Where(fact => fact.Value.Length > 0)],
                ("", containers),
                ("", ConditionText.Table(checkpoint.Status?.Conditions, context.Now)));
            if (contents.Forbidden)
            {
                context.Terminal.Error.WriteLine(
                    "You may not read the contents, which are cluster-scoped: runtime, CRIU and the artifact's place "
                        + "are not shown.");
            }

            return CheckpointText.ExitCodeOf(checkpoint);
        });
        return command;
    }

    private static void Add(TextTable table, ContainerCheckpoint part, ContainerCheckpointContent? content)
    {
        var (claim, status) = (part.Status ?? new ContainerCheckpointStatus(), content?.Status);
        table.Add(
            part.Spec.ContainerName,
            claim.Error is { } error ? error.Reason ?? "Failed" : claim.Ready == true ? "True" : "False",
            Amounts.Bytes(status?.Size),
            Amounts.Bytes(status?.CompressedSize ?? claim.Size),
            status?.Digest ?? claim.Digest,
            status?.ImageReference,
            status?.Runtime,
            status?.CriuVersion,
            status?.StoppedAt?.ToString("yyyy-MM-dd HH:mm:ss.fff'Z'", null));
    }

    // A name alone proves nothing: both must point at each other.
    private static string BindingOf(PodCheckpoint checkpoint, PodCheckpointContent? content) => content is null
        ? ""
        : content.Spec.PodCheckpointRef is var back && back.Uid == checkpoint.Metadata.Uid
            ? "both ways; content and bytes "
                + $"{(content.Spec.DeletionPolicy == DeletionPolicies.Retain ? "stay when it is deleted" : "go with it")} (policy {content.Spec.DeletionPolicy})"
            : $"broken: the content belongs to {back.NamespaceProperty}/{back.Name} (uid {back.Uid ?? "not bound"})";

    /// <summary>Reads contents as long as that is allowed.</summary>
    private sealed class Contents(Session session)
    {
        public bool Forbidden { get; private set; }

        public async Task<T?> ReadAsync<T>(string? name, CancellationToken cancellationToken)
            where T : class, IKubernetesObject<V1ObjectMeta>
        {
            if (string.IsNullOrEmpty(name) || Forbidden)
            {
                return null;
            }

            try
            {
                return await session.Client.GetAsync<T>(null, name, cancellationToken);
            }
            catch (KubernetesException exception) when (exception.Code == HttpStatusCode.Forbidden)
            {
                Forbidden = true;
                return null;
            }
            catch (KubernetesException exception) when (exception.IsNotFound)
            {
                return null;
            }
        }
    }
}
