using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Following;
using PodCheckpointing.Kubectl.Output;
using Spectre.Console;

namespace PodCheckpointing.Unit.Kubectl;

/// <summary>Texts, letter by letter.</summary>
internal sealed class TextTests
{
    private static readonly DateTime Now = new(2026, 11, 21, 8, 0, 10, DateTimeKind.Utc);

    [TestCase("90", 90)]
    [TestCase("90s", 90)]
    [TestCase("1m30s", 90)]
    [TestCase("1.5m", 90)]
    [TestCase("250ms", 0.25)]
    [TestCase("2h", 7200)]
    [TestCase("0", 0)]
    public void Reads_durations(string text, double seconds) =>
        Amounts.ParseDuration(text).Should().Be(TimeSpan.FromSeconds(seconds));

    [TestCase("")]
    [TestCase("-1s")]
    [TestCase("1d")]
    [TestCase("s")]
    [TestCase("5 m")]
    [TestCase("9e9h")]
    [TestCase("99999999999999999999h")]
    [TestCase("1h\n")]
    public void Reads_nothing_else_as_a_duration(string text) => Amounts.ParseDuration(text).Should().BeNull();

    [TestCase(0.0, "0ms")]
    [TestCase(0.312, "312ms")]
    [TestCase(3.46, "3.5s")]
    [TestCase(185.0, "3m5s")]
    [TestCase(7320.0, "2h2m")]
    [TestCase(180000.0, "2d2h")]
    public void Writes_durations(double seconds, string text) =>
        Amounts.Duration(TimeSpan.FromSeconds(seconds)).Should().Be(text);

    [TestCase(null, "")]
    [TestCase(0L, "0 B")]
    [TestCase(1023L, "1023 B")]
    [TestCase(1536L, "1.5 KiB")]
    [TestCase(8388608L, "8.0 MiB")]
    [TestCase(5_000_000_000_000_000L, "4547.5 TiB")]
    public void Writes_sizes(long? bytes, string text) => Amounts.Bytes(bytes).Should().Be(text);

    [Test]
    public void Lists_migrations_in_columns()
    {
        var table = new StringWriter { NewLine = "\n" };

        MigrationText.List(
        [
            Migration(),
            new PodMigration { Metadata = new()
            {
                Name = "new",
            }, Spec = new() { PodName = "db", TargetNode = "node-c" } },
        ], false, false, Now)
            .Write(table);

        table.ToString().Should().Be(
            """
            NAME   POD   SOURCE   TARGET   PHASE       OUTCOME    DOWNTIME   CHECKPOINT   AGE
            move   web   node-a   node-b   Completed   Restored   312ms      8.0 MiB      10s
            new    db             node-c   Pending                                        <unknown>

            """);
    }

    [Test]
    public void Draws_progress()
    {
        var migration = Migration();
        var running = migration with
        {
            Status = migration.Status! with
            {
                Phase = MigrationPhases.Restoring,
                Message = "the target is being restored", Outcome = null, CompletionTime = null,
                DowntimeMilliseconds = null,
                Steps = [.. migration.Status.Steps!, new MigrationStep
                {
                    Name = "Restore",
                    StartedAt = Now.AddSeconds(-2),
                }],
            },
        };

        Drawn(MigrationLive.Picture(running, Now, "connection lost")).Should().Be(
            """
            ━━━━━━━━━━━━━━━━━━──────────── Restoring
            Migration   shop/move
            Message     the target is being restored
            Pod         web -> web-m0b1c2d3e
            Node        node-a -> node-b
            Checkpoint  8.0 MiB (8388608 bytes), 4.0 MiB/s
            Time        10.0s
            ╭────────────┬───────┬─────────────┬─────────────╮
            │ STEP       │ BEGAN │ TOOK        │ MESSAGE     │
            ├────────────┼───────┼─────────────┼─────────────┤
            │ Checkpoint │ +1.0s │ 2.0s        │ 1 container │
            │ Restore    │ +8.0s │ 2.0s so far │             │
            ╰────────────┴───────┴─────────────┴─────────────╯
            connection lost
            """);
    }

    [Test]
    public void Takes_brackets_for_what_they_are()
    {
        var migration =
            Migration() with
            {
                Status = new() { Message = "volume [red]x[/] and [0]", Phase = MigrationPhases.Pending },
            };

        Drawn(MigrationLive.Picture(migration, Now, "[bold]"))
            .Should().Contain("volume [red]x[/] and [0]").And.Contain("[bold]");
    }

    [Test]
    public void Quotes_what_another_reader_would_take_for_something_else()
    {
        var text = new StringWriter { NewLine = "\n" };
        var pod = new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = "p",
                Annotations = new Dictionary<string, string>
                {
                    ["a"] = "true", ["b"] = "12", ["c"] = "", ["d"] = "no",
                    ["e"] = "plain words", ["f"] = "1e3", ["g"] = "two\nlines\n", ["h"] = "- x", ["i"] = "k: v #c",
                },
            },
        };

        ObjectPrinter.Write(text, OutputFormat.Yaml, pod);

        var read = new YamlDotNet.Serialization.DeserializerBuilder()
            .Build()
            .Deserialize<Dictionary<string, object>>(text.ToString());
        var annotations = (Dictionary<object, object>)((Dictionary<object, object>)read["metadata"])["annotations"];
        annotations.ToDictionary(pair => (string)pair.Key, pair => (string)pair.Value)
            .Should().Equal(pod.Metadata.Annotations);
        text.ToString().Should().ContainAll(
            "a: \"true\"\n", "b: \"12\"\n", "c: \"\"\n", "d: \"no\"\n", "e: plain words\n", "f: \"1e3\"\n",
            "kind: Pod\n")
            .And.NotContain("status");
    }

    private static string Drawn(Spectre.Console.Rendering.IRenderable picture)
    {
        var writer = new StringWriter { NewLine = "\n" };
        var console =
            AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer), Ansi = AnsiSupport.No });
        console.Profile.Width = 80;
        console.Profile.Capabilities.Unicode = true;
        console.Write(picture);
        return string.Join(
            '\n', writer.ToString().ReplaceLineEndings("\n").TrimEnd('\n').Split('\n').Select(line => line.TrimEnd()));
    }

    private static PodMigration Migration() => new()
    {
        Metadata =
            new V1ObjectMeta { Name = "move", NamespaceProperty = "shop", CreationTimestamp = Now.AddSeconds(-10) },
        Spec = new PodMigrationSpec { PodName = "web" },
        Status = new PodMigrationStatus
        {
            Phase = MigrationPhases.Completed,
            Outcome = Outcomes.Restored,
            SourceNode = "node-a",
            TargetNode = "node-b",
            RestoredPodName = "web-m0b1c2d3e",
            DowntimeMilliseconds = 312,
            CheckpointBytes = 8388608,
            StartTime = Now.AddSeconds(-10),
            CompletionTime = Now,
            Steps = [new MigrationStep
            {
                Name = "Checkpoint",
                StartedAt = Now.AddSeconds(-9),
                FinishedAt = Now.AddSeconds(-7),
                Message = "1 container",
            }],
        },
    };
}
