using System.Text.Json;
using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Which image each container of a target pod is made from: the very one that runs at the source.</summary>
/// <remarks>
/// Memory that is restored over other files than it was made with is corrupt, and a tag may have moved since the source
/// pulled it. So where the target's node does not have the same image under the pod's own name, the target names it by
/// the digest that kubelet says of the source. An image without one (imported, of no registry) can only be compared by
/// its id.
/// </remarks>
internal static class TargetImages
{
    private const string DockerHub = "docker.io/";

    /// <summary>What the source's node is asked of: what its containers run.</summary>
    public static IEnumerable<string> AtSource(V1Pod pod) => Running(pod).Values.Distinct();

    /// <summary>What the target's node is asked of: the pod's images, by their names and by their digests.</summary>
    public static IEnumerable<string> AtTarget(V1Pod pod)
    {
        var running = Running(pod);
        return pod.LivingContainers().Where(c => running.ContainsKey(c.Name))
            .SelectMany(c => new[] { c.Image!, PinnedTo(c.Image!, running[c.Name]) }).OfType<string>().Distinct();
    }

    /// <summary>The choice for every container of which kubelet says what it runs.</summary>
    /// <param name="pod">The source.</param>
    /// <param name="here">What the source's node has.</param>
    /// <param name="there">What the target's node has; none where its agent does not tell.</param>
    /// <param name="node">The target's node.</param>
    public static IReadOnlyList<TargetImage> Choose(
        V1Pod pod, IEnumerable<NodeImage> here, IEnumerable<NodeImage> there, string node)
    {
        var (running, answers) = (Running(pod), there.ToList());
        var (atSource, atTarget) = (ByName(here), ByName(answers));
        if (answers.Count == 0)
        {
            return [];
        }

        var chosen = pod.LivingContainers()
            .Where(c => running.ContainsKey(c.Name))
            .Select(c => Choose(c, running[c.Name], atSource, atTarget, node))
            .ToList();
        return [.. chosen.Select(
            (image, i) => i == 0 || image.Obstacle is not null ? image : AtHand(image, chosen[0], atTarget, node))];
    }

    /// <summary>Whether a target has other images than the source, after they were pulled.</summary>
    public static Obstacle? Differing(
        V1Pod source, V1Pod target, IEnumerable<NodeImage> here, IEnumerable<NodeImage> there)
    {
        var (running, atSource, atTarget) = (Running(source), ByName(here), ByName(there));
        return target.LivingContainers().FirstOrDefault(c => running.TryGetValue(c.Name, out var ran)
            && atTarget.TryGetValue(c.Image!, out var found) && !IsSame(found, ran, atSource)) is { } other
                ? new(
                    Reasons.ImageNotPresent,
                    Other(other, running[other.Name], atTarget[other.Image!], target.Spec.NodeName!))
                : null;
    }

    /// <summary>A name with its registry spelled out, and without its tag.</summary>
    internal static string RepositoryOf(string image)
    {
        var name = image.Split('@')[0];
        var tag = name.LastIndexOf(':');
        name = tag > name.LastIndexOf('/') ? name[..tag] : name;
        var first = name.Split('/')[0];
        var spelledOut = name.Contains('/', StringComparison.Ordinal) && (first.Contains('.', StringComparison.Ordinal)
            || first.Contains(':', StringComparison.Ordinal)
            || first == "localhost");
        name = spelledOut ? name : DockerHub + name;
        return name.StartsWith(DockerHub, StringComparison.Ordinal)
            && !name[DockerHub.Length..].Contains('/', StringComparison.Ordinal)
            ? $"{DockerHub}library/{name[DockerHub.Length..]}"
            : name;
    }

    private static TargetImage Choose(
        V1Container container,
        string ran,
        Dictionary<string, NodeImage> here,
        Dictionary<string, NodeImage> there,
        string node)
    {
        var (image, policy) = (container.Image!, PolicyOf(container));
        var named = there.GetValueOrDefault(image);
        var pinned = PinnedTo(image, ran);
        TargetImage Refused(string why) => new(container.Name, image, false, new(Reasons.ImageNotPresent, why));
        if (named is not null && policy != "Always" && IsSame(named, ran, here))
        {
            return new TargetImage(container.Name, image, false, null);
        }

        if (pinned is not null)
        {
            return policy != "Never" || there.ContainsKey(pinned)
                ? new TargetImage(container.Name, pinned, false, null)
                : Refused(named is null
                ? $"node {node} does not have image {pinned} of container {container.Name}, whose imagePullPolicy is "
                    + "Never; bring it there"
                : Other(container, ran, named, node));
        }

        return named is not null && !IsSame(named, ran, here) ? Refused(Other(container, ran, named, node))
            : named is null && policy == "Never"
                ? Refused(
                    $"node {node} does not have image {image} of container {container.Name}, whose imagePullPolicy "
                        + "is Never; bring it there")
                // It will be pulled, or may be: what came is compared then.
                : new TargetImage(container.Name, image, true, null);
    }

    /// <summary>kubelet creates containers one after the other, and the first one's creation ends when it is restored:
    /// what the others need from a registry would be waited for while the pod stands still.</summary>
    private static TargetImage AtHand(
        TargetImage image, TargetImage first, Dictionary<string, NodeImage> there, string node) =>
        image.Image == first.Image ? image with { IsUnsure = first.IsUnsure, IsAtHand = true }
        : there.ContainsKey(image.Image) ? image with { IsUnsure = false, IsAtHand = true }
        : image with
        {
            Obstacle = new(
                Reasons.ImageNotPresent,
                $"node {node} does not have image {image.Image} of container {image.Container}, and would pull it only "
                + "while the pod stands still; bring it there"),
        };

    /// <summary>The pod's image by the digest of what runs; null where there is none
    /// that its registry would know.</summary>
    private static string? PinnedTo(string image, string ran) => image.Contains('@', StringComparison.Ordinal) ? image
        : DigestOf(ran) is { } digest
            && RepositoryOf(image) == RepositoryOf(ran) ? $"{ran.Split('@')[0]}@{digest}" : null;

    private static bool IsSame(NodeImage found, string ran, Dictionary<string, NodeImage> here)
    {
        var id = here.TryGetValue(ran, out var source) ? source.Id : DigestOf(ran) is null ? ran : "";
        return (id.Length > 0 && Bare(id) == Bare(found.Id))
            || (DigestOf(ran) is { } digest && found.RepoDigests.Any(d => DigestOf(d) == digest));
    }

    private static string Other(V1Container container, string ran, NodeImage found, string node) =>
        $"container {container.Name} runs {container.Image} as {ran}, and node {node} has another image under that "
            + $"name ({found.Id}); bring the same one there";

    /// <summary>As kubelet says it, by container: NAME@DIGEST, or the image's id.</summary>
    private static Dictionary<string, string> Running(V1Pod pod) =>
        pod.LivingStatuses().Where(s => s.ImageID.Length > 0)
            .ToDictionary(s => s.Name, s => s.ImageID.Split("://")[^1]);

    private static string? DigestOf(string reference) => reference.Split('@') is [_, var digest] ? digest : null;

    private static string Bare(string id) => id.Split(':')[^1];

    private static string PolicyOf(V1Container container) =>
        container.More?.TryGetValue("imagePullPolicy", out var policy) == true
            && policy.ValueKind == JsonValueKind.String ? policy.GetString()! : "IfNotPresent";

    private static Dictionary<string, NodeImage> ByName(IEnumerable<NodeImage> images) =>
        images.Where(i => i.Id.Length > 0).GroupBy(i => i.Reference).ToDictionary(g => g.Key, g => g.First());
}

/// <summary>The image of one container of a target pod.</summary>
/// <param name="Container">The container.</param>
/// <param name="Image">What the target pod names.</param>
/// <param name="IsUnsure">Whether it is known only after a pull that it is the same.</param>
/// <param name="Obstacle">Why the target cannot have it.</param>
internal sealed record TargetImage(string Container, string Image, bool IsUnsure, Obstacle? Obstacle)
{
    /// <summary>Whether the node has it, or will have it in time, and so need ask no registry.</summary>
    public bool IsAtHand { get; init; }
}
