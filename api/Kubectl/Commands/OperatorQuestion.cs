using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Following;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary>Has the operator say what stands in the way of a migration: by a PodMigration that is only a dry run, and
/// goes again.</summary>
internal static class OperatorQuestion
{
    /// <summary>It asks two agents, of which each may take its time.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan Left = TimeSpan.FromMinutes(10);

    /// <summary>The dry run, ended, with the operator's answer.</summary>
    public static async Task<PodMigration> AskAsync(
        CommandContext context, IKubernetes client, string namespaceName, PodMigrationSpec spec,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var question = await client.CreateAsync(
            new PodMigration
            {
                Metadata = new V1ObjectMeta
                {
                    GenerateName = $"check-{spec.PodName[..Math.Min(spec.PodName.Length, 40)]}-",
                    NamespaceProperty = namespaceName,
                },
                // Should this process be killed before it removes it.
                Spec = spec with { DryRun = true, TtlSecondsAfterFinished = (int)Left.TotalSeconds },
            },
            CancellationToken.None);
        using var deadline = new CancellationTokenSource(Limit, context.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            var follower = new Follower(client, context.Time, context.Terminal.Error.WriteLine);
            await foreach (var state in follower.FollowAsync<PodMigration>(
                namespaceName, question.Metadata.Name!, question.Metadata.Uid, either.Token))
            {
                if (MigrationText.HasEnded(state))
                {
                    return state;
                }
            }

            throw new CommandException(
                ExitCode.Failed, $"{ObjectNames.Of(question)} was deleted before the operator had answered");
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            throw new CommandException(
                ExitCode.TimedOut,
                $"the operator has not answered within {Amounts.Duration(Limit)}: does it run? "
                    + $"{Waiting.LookForOperator}");
        }
        finally
        {
            await RemoveAsync(context, client, question);
        }
    }

    private static async Task RemoveAsync(CommandContext context, IKubernetes client, PodMigration question)
    {
        try
        {
            await client.DeleteAsync<PodMigration>(
                question.Metadata.NamespaceProperty, question.Metadata.Name!, new V1DeleteOptions
                {
                    Preconditions = new V1Preconditions { Uid = question.Metadata.Uid },
                }, CancellationToken.None);
        }
        catch (KubernetesException exception) when (exception.IsNotFound || exception.IsConflict)
        {
            // Somebody was quicker.
        }
        catch (Exception exception)
        {
            // The answer is what was asked for; that something is left does not take it back.
            context.Terminal.Error.WriteLine(
                $"warning: {ObjectNames.Of(question)}, a question to the operator, could not be removed: "
                + $"{exception.Message}\nRemove it: kubectl delete podmigration {question.Metadata.Name} -n "
                + $"{question.Metadata.NamespaceProperty}");
        }
    }
}
