using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Kubectl.Following;

/// <summary>A restored pod's progress as lines.</summary>
internal sealed class RestoreLines(
    TextWriter writer, TextWriter error, TimeProvider time, bool quiet) : IProgressView<V1Pod>
{
    private string? _last;

    public bool HasBegun(V1Pod item) => item.Status?.ContainerStatuses is not null;

    public bool HasEnded(V1Pod item) =>
        RestoreOutcome.Of(item) is not null || item.Status?.Phase is "Failed" or "Succeeded";

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
        var line = $"{RestoreOutcome.Of(pod) ?? pod.Status?.Phase ?? "Pending",-10}  {node}";
        if (!quiet && line != _last)
        {
            _last = line;
            writer.WriteLine($"{time.GetUtcNow():HH:mm:ss.f}  {line}");
        }
    }
}
