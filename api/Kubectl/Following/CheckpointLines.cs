using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Following;

/// <summary>A checkpoint's progress as lines.</summary>
internal sealed class CheckpointLines(
    TextWriter writer, TextWriter error, TimeProvider time, bool quiet) : IProgressView<PodCheckpoint>
{
    private string? _last;

    public bool HasBegun(PodCheckpoint item) => item.Status is not null;

    public bool HasEnded(PodCheckpoint item) => CheckpointText.HasEnded(item);

    public Task<PodCheckpoint> RunAsync(Func<Action<PodCheckpoint>, Task<PodCheckpoint>> follow) => follow(Show);

    public void Tell(string text)
    {
        if (!quiet)
        {
            error.WriteLine(text);
        }
    }

    private void Show(PodCheckpoint checkpoint)
    {
        var line = $"{CheckpointText.Result(checkpoint),-20}  {CheckpointText.Message(checkpoint)}";
        if (!quiet && checkpoint.Status is not null && !HasEnded(checkpoint) && line != _last)
        {
            _last = line;
            writer.WriteLine($"{time.GetUtcNow():HH:mm:ss.f}  {line}");
        }
    }
}
