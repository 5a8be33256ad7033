namespace PodCheckpointing.Api.V1;

/// <summary>What Argo CD goes by that finds a pod which is not in Git.</summary>
/// <remarks>Where it tracks by label (application.instanceLabelKey; app.kubernetes.io/instance by default, which Helm's
/// charts give their pods, too) it prunes what has an application's label, no owner, and no place in Git.</remarks>
public static class ArgoCD
{
    /// <summary>Label that only Argo CD reads, where it is told to track by it.</summary>
    public const string InstanceLabel = "argocd.argoproj.io/instance";

    private static readonly Dictionary<string, string> Unpruned = new()
    {
        ["argocd.argoproj.io/compare-options"] = "IgnoreExtraneous",
        ["argocd.argoproj.io/sync-options"] = "Prune=false",
    };

    /// <summary>Annotations by which it knows one object of one of its installations.</summary>
    public static IReadOnlyList<string> Tracking { get; } =
        ["argocd.argoproj.io/tracking-id", "argocd.argoproj.io/installation-id"];

    /// <summary>The annotations that <see cref="KeepUnpruned"/> sets.</summary>
    public static IReadOnlyCollection<string> Options => Unpruned.Keys;

    /// <summary>Annotates a pod so that it makes no application OutOfSync, and no sync prunes it.</summary>
    public static void KeepUnpruned(IDictionary<string, string> annotations)
    {
        foreach (var (key, value) in Unpruned)
        {
            annotations[key] = value;
        }
    }
}
