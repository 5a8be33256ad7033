using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Has the target run the very images that the source runs: see
/// <see cref="TargetImages"/>. Asks only.</summary>
internal sealed class ReceiverImages(NodeCapabilities capabilities, AgentCalls calls)
{
    /// <summary>The images of the target; null while the agents are being asked, as another life of
    /// the operator must do again.</summary>
    public IReadOnlyList<TargetImage>? Choose(MigrationScope scope, V1Pod source)
    {
        if (!TargetImages.AtSource(source).Any())
        {
            return [];
        }

        var (from, to) = (scope.Status.SourceNode!, scope.Status.TargetNode!);
        if (capabilities.OfSource(scope, source, from) is not { } here
            || capabilities.OfTarget(scope, source, to, here) is not { } there)
        {
            return null;
        }

        var images = TargetImages.Choose(source, here.Images, there.Images, to);
        MigrationValidation.Refuse(images.FirstOrDefault(image => image.Obstacle is not null)?.Obstacle);
        return images;
    }

    /// <summary>Whether what was pulled for a target that waits is what the source runs; false while
    /// its agent is being asked.</summary>
    public bool AreSame(MigrationScope scope, V1Pod source, V1Pod target, IReadOnlyList<TargetImage> images)
    {
        if (!images.Any(image => image.IsUnsure))
        {
            return true;
        }

        var request = new GetCapabilitiesRequest { Images = { images.Select(image => image.Image) } };
        if (calls.Ask(scope, CallNames.Images, scope.Status.TargetNode!, (agent, t) => agent
            .GetCapabilitiesAsync(request, t)) is not { } pulled)
        {
            return false;
        }

        var here = capabilities.KnownOfSource(scope, scope.Status.SourceNode!)!;
        MigrationValidation.Refuse(TargetImages.Differing(source, target, here.Images, pulled.Images));
        return true;
    }
}
