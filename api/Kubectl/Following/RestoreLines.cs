using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Kubectl.Following;

/// <summary>A restored pod's progress as lines.</summary>
internal sealed class RestoreLines(
    TextWriter writer, TextWriter error, TimeProvider time, bool quiet) : IProgressView<V1Pod>
{
    private string? _last;

    /// <summary>What the operator says became of it; null until then.</summary>
    public static string? OutcomeOf(V1Pod pod) =>
        pod.Metadata.Annotations?.TryGetValue(WellKnown.RestoreOutcome, out var outcome) == true ? outcome : null;

    public bool HasBegun(V1Pod item) => item.Status?.ContainerStatuses is not null;

    public bool HasEnded(V1Pod item) => OutcomeOf(item) is not null || item.Status?.Phase is "Failed" or "Succeeded";

    public Task<V1Pod> RunAsync(Func<Action<V1Pod>, Task<V1Pod>> follow) => follow(Show);

    public void Tell(string text)
    {
        if (!quiet)
        {
            error.WriteLine(text);
        }
    }

    private void Show(V1Pod pod)
    {
        var node = string.IsNullOrEmpty(pod.Spec.NodeName) ? "waits for a node" : $"on {pod.Spec.NodeName}";
        var line = $"{OutcomeOf(pod) ?? pod.Status?.Phase ?? "Pending",-10}  {node}";
        if (!quiet && line != _last)
        {
            _last = line;
            writer.WriteLine($"{time.GetUtcNow():HH:mm:ss.f}  {line}");
        }
    }
}
