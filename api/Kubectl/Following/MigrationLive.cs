using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Output;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace PodCheckpointing.Kubectl.Following;

/// <summary>A migration's progress on a terminal: a bar, the phase, and the steps with their running times.</summary>
internal sealed class MigrationLive(Terminal terminal, TimeProvider time) : IProgressView<PodMigration>
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(200);
    private readonly Lock _lock = new();
    private PodMigration? _shown;
    private string? _told;

    public bool HasBegun(PodMigration item) => item.Status?.Phase is not null;

    public bool HasEnded(PodMigration item) => MigrationText.HasComeToRest(item);

    public void Tell(string text)
    {
        lock (_lock)
        {
            _told = text;
        }
    }

    public async Task<PodMigration> RunAsync(Func<Action<PodMigration>, Task<PodMigration>> follow)
    {
        var live = Drawing.ConsoleOf(terminal).Live(new Text("")).AutoClear(true);
        return await live.StartAsync(async context =>
        {
            void Draw()
            {
                lock (_lock)
                {
                    if (_shown is not null)
                    {
                        context.UpdateTarget(Picture(_shown, time.GetUtcNow().UtcDateTime, _told));
                    }
                }
            }

            await using var timer = time.CreateTimer(_ => Draw(), null, Tick, Tick);
            return await follow(migration =>
            {
                lock (_lock)
                {
                    (_shown, _told) = (migration, null);
                }

                Draw();
            });
        });
    }

    /// <summary>One picture of a migration.</summary>
    public static IRenderable Picture(PodMigration migration, DateTime now, string? told)
    {
        var parts = new List<IRenderable>
        {
            new Markup(Bar(migration)),
            Drawing.Facts([.. MigrationText.Facts(migration, now).Where(fact => fact.Label != "Result")]),
        };
        var steps = MigrationText.Steps(migration, now);
        if (steps.Rows.Count > 0)
        {
            parts.Add(Drawing.Table("", steps));
        }

        if (told is not null)
        {
            parts.Add(new Markup($"[yellow]{Markup.Escape(told)}[/]"));
        }

        return new Rows(parts);
    }

    // How far along the way it is; what lies ahead has no known size.
    private static string Bar(PodMigration migration)
    {
        const int length = 30;
        var phase = MigrationText.Phase(migration);
        var failed = phase == MigrationPhases.Failed;
        var reached = Math.Max(0, MigrationText.Way.ToList().IndexOf(phase));
        var done = failed ? length : length * reached / (MigrationText.Way.Count - 1);
        var colour = failed ? "red" : "green";
        return $"[{colour}]{new string('━', done)}[/][grey]{new string('─', length - done)}[/] [bold]{phase}[/]";
    }
}
