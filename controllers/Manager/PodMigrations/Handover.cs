using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>What a target pod gets of its source at the commit and not before: labels and owners.</summary>
/// <remarks>
/// A ReplicaSet that counts a pod too many gives one up: first those on no node, then pending ones, then those that are
/// not ready, then by deletion cost. A waiting target would be its choice, so the target has no owner, and no labels
/// that the ReplicaSet would adopt it by, until it runs and is ready, and carries both in an annotation: the source may
/// be gone when they are due. Of a Deployment's ReplicaSet that is one label; with the others it may become ready where
/// that takes a NetworkPolicy or a Service that select it, and is let in where labels are asked for. A Service has it
/// no sooner than it is ready, for one that waits has no address to tell; a PodDisruptionBudget, too, counts who is
/// ready. The source is given the lowest cost before, so that of the two it is the one to go; a watch shows the
/// ReplicaSet both writes in their order. Labels, owners and the end of the annotation are one write: it is done or it
/// is not. Argo CD that tracks by label takes a pod with an application's label and no owner for one that somebody has
/// taken out of Git, and prunes it: two annotations forbid that for so long.
/// </remarks>
internal sealed record Handover(
    IDictionary<string, string>? Labels,
    IList<V1OwnerReference>? OwnerReferences,
    IDictionary<string, string>? Annotations = null)
{
    public const string LowestCost = "-2147483648";

    /// <summary>Whether the pod's labels and owners must wait.</summary>
    public static bool IsNeeded(V1Pod source) => source.Controller() is not null;

    /// <summary>The source's labels that a target has from the beginning.</summary>
    public static Dictionary<string, string> LabelsMeanwhile(V1Pod source) =>
        IsNeeded(source) && !source.IsOfDeployment()
            ? []
            : (source.Metadata.Labels ?? new Dictionary<string, string>())
                .Where(l => !IsNeeded(source) || l.Key != PodParts.TemplateHash)
                .ToDictionary();

    /// <summary>Whether they still do, at the target.</summary>
    public static bool IsDue(V1Pod target) => target.Metadata.Annotations?.ContainsKey(WellKnown.Handover) == true;

    /// <summary>Whether the source is its ReplicaSet's first choice, or has none.</summary>
    public static bool IsOffered(V1Pod source) =>
        source.Controller() is null
        || (source.Metadata.Annotations?.TryGetValue(WellKnown.DeletionCost, out var cost) == true
            && cost == LowestCost);

    /// <summary>The write to the source's metadata by which it is offered; what its user
    /// had set is kept beside it.</summary>
    public static JsonObject Offered(V1Pod source) => new()
    {
        ["annotations"] = new JsonObject
        {
            [WellKnown.DeletionCost] = LowestCost,
            [WellKnown.OwnDeletionCost] =
                source.Metadata.Annotations?.TryGetValue(WellKnown.DeletionCost, out var own) == true ? own : "",
        },
    };

    /// <summary>The write to the source's metadata by which it is offered no more; null where it was not.</summary>
    public static JsonObject? TakenBack(V1Pod source) =>
        source.Metadata.Annotations?.TryGetValue(WellKnown.OwnDeletionCost, out var own) == true
            ? new JsonObject
            {
                ["annotations"] = new JsonObject
                {
                    [WellKnown.DeletionCost] = own.Length > 0 ? own : null, [WellKnown.OwnDeletionCost] = null,
                },
            }
            : null;

    /// <summary>A source's annotations for another pod: as if it had never been offered.</summary>
    public static Dictionary<string, string> AnnotationsOf(V1Pod source)
    {
        var result = (source.Metadata.Annotations ?? new Dictionary<string, string>()).ToDictionary();
        if (result.Remove(WellKnown.OwnDeletionCost, out var own))
        {
            result.Remove(WellKnown.DeletionCost);
            if (own.Length > 0)
            {
                result[WellKnown.DeletionCost] = own;
            }
        }

        return result;
    }

    /// <summary>Notes in a target's annotations what it is to get, and keeps it until then.</summary>
    public static void Prepare(V1Pod source, IDictionary<string, string> annotations)
    {
        annotations[WellKnown.Handover] = KubernetesJson.Serialize(From(source));
        ArgoCD.KeepUnpruned(annotations);
    }

    /// <summary>The one write to the target's metadata: what the source has now, or
    /// had when it was last seen.</summary>
    public static JsonObject PatchFor(V1Pod target, V1Pod? source)
    {
        var due = source is not null
            ? From(source)
            : KubernetesJson.Deserialize<Handover>(target.Metadata.Annotations![WellKnown.Handover]);
        var labels =
            JsonSerializer.SerializeToNode(due.Labels ?? new Dictionary<string, string>(), KubernetesJson.Options)!
                .AsObject();
        // What the source has lost meanwhile.
        foreach (var gone in (target.Metadata.Labels?.Keys ?? []).Where(
            key => key != WellKnown.MigrationUid && !labels.ContainsKey(key)))
        {
            labels[gone] = null;
        }

        var annotations = new JsonObject { [WellKnown.Handover] = null };
        foreach (var key in ArgoCD.Options)
        {
            annotations[key] = due.Annotations?.TryGetValue(key, out var own) == true ? own : null;
        }

        return new JsonObject
        {
            ["annotations"] = annotations,
            ["labels"] = labels,
            ["ownerReferences"] = JsonSerializer.SerializeToNode(due.OwnerReferences ?? [], KubernetesJson.Options),
        };
    }

    // The target's own mark, by which its migration finds it, is not the source's to give.
    private static Handover From(V1Pod pod) => new(
        pod.Metadata.Labels?.Where(l => l.Key != WellKnown.MigrationUid).ToDictionary(),
        pod.Metadata.OwnerReferences,
        pod.Metadata.Annotations?.Where(a => ArgoCD.Options.Contains(a.Key)).ToDictionary());
}
