using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Following;

/// <summary>A migration's progress as lines: one for every phase, message and step, for pipes and logs.</summary>
internal sealed class MigrationLines(
    TextWriter writer, TextWriter error, TimeProvider time, bool quiet) : IProgressView<PodMigration>
{
    private readonly HashSet<string> _said = [];
    private (string? Phase, string? Message) _last;

    public bool HasBegun(PodMigration item) => item.Status?.Phase is not null;

    public bool HasEnded(PodMigration item) => MigrationText.HasComeToRest(item);

    public Task<PodMigration> RunAsync(Func<Action<PodMigration>, Task<PodMigration>> follow) => follow(Show);

    public void Tell(string text)
    {
        if (!quiet)
        {
            error.WriteLine(text);
        }
    }

    private void Show(PodMigration migration)
    {
        if (quiet || migration.Status is not { } status)
        {
            return;
        }

        foreach (var step in status.Steps ?? [])
        {
            if (step.FinishedAt is not null && _said.Add(step.Name))
            {
                Say("step " + step.Name, $"{Amounts.Duration(step.FinishedAt - step.StartedAt)}  {step.Message}");
            }
        }

        // The end is told by the summary.
        if (!HasEnded(migration) && (status.Phase, status.Message) != _last)
        {
            _last = (status.Phase, status.Message);
            Say(MigrationText.Phase(migration), status.Message);
        }
    }

    private void Say(string what, string? text) =>
        writer.WriteLine($"{time.GetUtcNow():HH:mm:ss.f}  {what,-15}  {text?.ReplaceLineEndings(" ")}".TrimEnd());
}
