using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Following;

/// <summary>One of several pods that a command moves, and what has become of it.</summary>
internal sealed class PodMove(V1Pod pod)
{
    public V1Pod Pod => pod;

    /// <summary>namespace/name, as every line says it.</summary>
    public string Name => NameOf(pod);

    /// <summary>Its migration, as it was seen last; null where none was begun.</summary>
    public PodMigration? Migration { get; set; }

    /// <summary>Why it stays, or what became of its migration is not known.</summary>
    public string? Obstacle { get; set; }

    /// <summary>Whether it goes on elsewhere, with its memory.</summary>
    public bool IsDone =>
        Migration is not null
        && MigrationText.HasEnded(Migration)
        && MigrationText.ExitCodeOf(Migration) == ExitCode.Ok;

    /// <summary>What has become of it, in a word or two.</summary>
    public string Result =>
        Obstacle is not null ? (Migration is null ? "stays" : "not known")
        : Migration is null ? (IsGoing(pod) ? "terminating" : "not begun")
        : MigrationText.HasComeToRest(Migration) ? MigrationText.Result(Migration)
        : "goes on";

    public string? Message => Obstacle ?? Migration?.Status?.Message;

    /// <summary>Whether somebody has deleted it: it goes by itself.</summary>
    public static bool IsGoing(V1Pod pod) => pod.Metadata.DeletionTimestamp is not null;

    public static string NameOf(V1Pod pod) => $"{pod.Metadata.NamespaceProperty}/{pod.Metadata.Name}";

    /// <summary>Creates the pod's migration. Not ended by Ctrl-C: nobody would know
    /// whether the object exists.</summary>
    /// <param name="client">The cluster.</param>
    /// <param name="pod">The pod, and no namesake of it.</param>
    /// <param name="spec">How all of them are moved.</param>
    /// <param name="labels">Labels of the migration.</param>
    public static Task<PodMigration> CreateAsync(
        IKubernetes client, V1Pod pod, PodMigrationSpec spec, IDictionary<string, string>? labels) =>
        client.CreateAsync(
            new PodMigration
            {
                Metadata = new V1ObjectMeta { GenerateName = pod.Metadata.Name
                    + "-", NamespaceProperty = pod.Metadata.NamespaceProperty, Labels = labels },
                Spec = spec with { PodName = pod.Metadata.Name!, PodUID = pod.Metadata.Uid },
            },
            CancellationToken.None);

    /// <summary>What has become of each.</summary>
    public static void Write(Terminal terminal, IEnumerable<PodMove> moves, bool allNamespaces)
    {
        string[] first = allNamespaces ? ["NAMESPACE"] : [];
        var table = new TextTable([.. first, "POD", "MIGRATION", "RESULT", "RESTORED-POD", "DOWNTIME", "MESSAGE"]);
        foreach (var move in moves)
        {
            string?[] begin = allNamespaces ? [move.Pod.Metadata.NamespaceProperty] : [];
            var status = move.Migration?.Status;
            table.Add(
            [
                .. begin, move.Pod.Metadata.Name, move.Migration?.Metadata.Name, move.Result, status?.RestoredPodName,
                status?.DowntimeMilliseconds is { } downtime
                    ? Amounts.Duration(TimeSpan.FromMilliseconds(downtime))
                    : "", move.Message,
            ]);
        }

        Report.Write(terminal, [], ("", table));
    }
}
