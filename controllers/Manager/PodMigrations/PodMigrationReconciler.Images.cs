using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations;

/// <content>The target runs the very images that the source runs: see <see cref="TargetImages"/>.</content>
internal sealed partial class PodMigrationReconciler
{
    /// <summary>The images of the target; null while the agents are being asked, as another life of the operator must do again.</summary>
    private IReadOnlyList<TargetImage>? ImagesFor(MigrationScope scope, V1Pod source)
    {
        if (!TargetImages.AtSource(source).Any())
        {
            return [];
        }

        var (from, to) = (scope.Status.SourceNode!, scope.Status.TargetNode!);
        if (_calls.Ask(scope, SourceCall(from), from, (agent, t) => agent.GetCapabilitiesAsync(QuestionToSource(source), t)) is not { } here
            || _calls.Ask(scope, TargetCall(to), to, (agent, t) => agent.GetCapabilitiesAsync(QuestionToTarget(source, here), t)) is not { } there)
        {
            return null;
        }

        var images = TargetImages.Choose(source, here.Images, there.Images, to);
        MigrationValidation.Refuse(images.FirstOrDefault(image => image.Obstacle is not null)?.Obstacle);
        return images;
    }

    /// <summary>Whether what was pulled for a target that waits is what the source runs; false while its agent is being asked.</summary>
    private bool HasSameImages(MigrationScope scope, V1Pod source, V1Pod target, IReadOnlyList<TargetImage> images)
    {
        if (!images.Any(image => image.IsUnsure))
        {
            return true;
        }

        var request = new GetCapabilitiesRequest { Images = { images.Select(image => image.Image) } };
        if (_calls.Ask(scope, "images", scope.Status.TargetNode!, (agent, t) => agent.GetCapabilitiesAsync(request, t)) is not { } pulled)
        {
            return false;
        }

        var here = _calls.Known<GetCapabilitiesResponse>(scope, SourceCall(scope.Status.SourceNode!))!;
        MigrationValidation.Refuse(TargetImages.Differing(source, target, here.Images, pulled.Images));
        return true;
    }
}
