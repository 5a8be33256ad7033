using System.CommandLine;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary><c>kubectl podmigration explain</c>.</summary>
internal static class ExplainCommand
{
    public static Command Build(CommandContext context)
    {
        var reason = new Argument<string?>("REASON")
        {
            HelpName = "REASON",
            Description = "Reason of a condition or event; without one, all are listed",
            Arity = ArgumentArity.ZeroOrOne,
        };
        reason.CompletionSources.Add(
            _ => Remedies.Reasons.Select(word => new System.CommandLine.Completions.CompletionItem(word)));
        var command = new ExampleCommand(
            "explain", "Say what a reason word means and what to do about it. Needs no cluster.",
            "kubectl podmigration explain CheckpointFailed")
        {
            reason,
        };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(reason) is not { } word)
            {
                foreach (var known in Remedies.Reasons)
                {
                    context.Terminal.Out.WriteLine(known);
                }

                return ExitCode.Ok;
            }

            var (meaning, remedy) = Remedies.Find(word)
                ?? throw new CommandException(
                    ExitCode.Usage, $"reason \"{word}\" is not known: kubectl podmigration explain lists all");
            Report.Write(context.Terminal, [("Reason", word), ("Meaning", meaning), ("Remedy", remedy)]);
            return ExitCode.Ok;
        });
        return command;
    }
}
