using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.Contents;

/// <summary>How contents are called: those that the operator makes by the uid of their claim, so that creating twice
/// creates once.</summary>
internal static class ContentNames
{
    /// <summary>The name of a claim's content: of the one that it imports, or of the one that is made for it.</summary>
    public static string Of(PodCheckpoint claim) =>
        claim.Spec.PodCheckpointContentName ?? ForPodCheckpoint(claim.Metadata.Uid!);

    /// <summary>The name of a claim's content.</summary>
    public static string Of(ContainerCheckpoint claim) => ForContainerCheckpoint(claim.Metadata.Uid!);

    /// <summary>The name of the content that is made for a PodCheckpoint.</summary>
    public static string ForPodCheckpoint(string uid) => $"pcpc-{uid}";

    /// <summary>The name of the content that is made for a ContainerCheckpoint.</summary>
    public static string ForContainerCheckpoint(string uid) => $"ccpc-{uid}";
}
