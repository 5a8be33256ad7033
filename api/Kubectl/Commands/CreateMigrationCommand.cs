using System.CommandLine;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Following;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary><c>kubectl create podmigration</c>.</summary>
internal static class CreateMigrationCommand
{
    public static Command Build(CommandContext context)
    {
        var name = Options.Name("NAME", "Name of the PodMigration");
        var spec = new MigrationSpecOptions(context);
        var creation = new Creation(context);
        var check = new Option<bool>("--check")
        {
            Description =
                "Only have the operator say what stands in the way (spec.dryRun): the PodMigration is created, and "
                    + "the pod is not touched",
        };
        var command = new ExampleCommand(
            "podmigration",
            "Move a running pod to another node.",
            "kubectl create podmigration move-web --pod web --to node-b --wait",
            "kubectl create podmigration may-web-move --pod web --to node-b --check --wait",
            "kubectl create podmigration move-web --pod web --dry-run=client -o yaml")
        {
            name,
        };
        spec.AddTo(command);
        command.Add(check);
        creation.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var session = context.Open(parsed);
            var migration = new PodMigration
            {
                Metadata = new V1ObjectMeta { Name = parsed.GetValue(name), NamespaceProperty = session.Namespace },
                // Absent, not false, where it is not asked for: absence is what the documentation describes.
                Spec = spec.Read(parsed) with { DryRun = parsed.GetValue(check) ? true : null },
            };
            return await creation.RunAsync(
                parsed,
                session,
                migration,
                async (created, progress, limit, token) =>
                {
                    var last = await MigrationWait.RunAsync(
                        context.Time, session.Client, created, progress, limit, creation.IsQuiet(parsed), token);
                    return (last, MigrationText.ExitCodeOf(last));
                },
                cancellationToken);
        });
        return command;
    }
}
