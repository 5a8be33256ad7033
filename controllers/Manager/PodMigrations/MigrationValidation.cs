using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Why a migration is not possible: a reason word and what to do. Pure functions of what was read.</summary>
internal static class MigrationValidation
{
    /// <summary>Why a target pod will never wait for its checkpoint.</summary>
    public static Obstacle? OfReceiver(V1Pod target) =>
        OfContainers(target)
        ?? (target.Metadata.DeletionTimestamp is not null || target.Status?.Phase is "Failed" or "Succeeded"
            ? new(
                Reasons.RestoreFailed,
                ($"the target pod {target.Metadata.Name} ended before it was restored: "
                    + $"{target.Status?.Reason} {target.Status?.Message}").TrimEnd(' ', ':'))
            : null);

    /// <summary>Why a container of a target pod will never be created, and so none of them run.</summary>
    public static Obstacle? OfContainers(V1Pod target)
    {
        // What a container waits for that is not there waits for its checkpoint no less:
        // the source would stand still for it.
        string[] unpulled =
        [
            "ErrImageNeverPull",
            "ErrImagePull",
            "ImagePullBackOff",
            "InvalidImageName",
            "ImageInspectError",
            "SignatureValidationFailed",
        ];
        string[] hopeless = ["CreateContainerConfigError", .. unpulled];
        var stuck = target.LivingStatuses()
            .FirstOrDefault(s => s.RestartCount == 0 && hopeless.Contains(s.State?.Waiting?.Reason));
        return stuck is not null
            ? new(
                unpulled.Contains(stuck.State!.Waiting!.Reason) ? Reasons.ImageNotPulled : Reasons.NodeNotCapable,
                $"container {stuck.Name} cannot start at {target.Spec.NodeName}: "
                + $"{stuck.State.Waiting.Reason}: {stuck.State.Waiting.Message}")
            : null;
    }

    /// <summary>What a target pod that does not come to wait for its checkpoint shows of why, to be
    /// told after something else.</summary>
    /// <remarks>The reason is often in its events only, which the operator has no right to read.</remarks>
    public static string WhatIsAwaited(V1Pod target)
    {
        var (node, name) = (target.Spec.NodeName, target.Metadata.Name);
        var stuck = target.LivingStatuses()
            .FirstOrDefault(s => s.State?.Waiting is { Reason: not ("ContainerCreating" or "PodInitializing") });
        return stuck is not null
            ? $"; container {stuck.Name} of pod {name} at {node}: {stuck.State!.Waiting!.Reason}: "
                + $"{stuck.State.Waiting.Message}"
            : target.Status?.Conditions?.Any(c => c is { Type: "PodReadyToStartContainers", Status: "False" }) == true
                ? $"; pod {name} has no sandbox at {node} (PodReadyToStartContainers is False): kubectl -n "
                    + $"{target.Metadata.NamespaceProperty} describe pod {name} says why"
            : target.Status?.ContainerStatuses is not { Count: > 0 }
                ? $"; kubelet of {node} has not begun with pod {name}"
                : "";
    }

    /// <summary>Why a target cannot be restored for what was made of it when it was created: its containers are the
    /// checkpoint's, or nothing is.</summary>
    public static Obstacle? OfAdmission(V1Pod source, V1Pod target)
    {
        var (from, to) = (source.LivingContainers()
            .Select(c => c.Name)
            .ToList(), target.LivingContainers().Select(c => c.Name).ToList());
        return to.Except(from).FirstOrDefault() is { } added
            ? new(
                Reasons.PodNotMigratable,
                $"container {added} was put into the target pod {target.Metadata.Name} when it was created, and the "
                + $"source has none: have what does so leave out pods with the label {WellKnown.MigrationUid}")
            : from.Except(to).FirstOrDefault() is { } missing
            ? new(
                Reasons.PodNotMigratable,
                $"container {missing} was taken out of the target pod {target.Metadata.Name} when it was created")
            : null;
    }

    /// <summary>Ends the way forward where something stands in it.</summary>
    /// <exception cref="TerminalException">Something does.</exception>
    public static void Refuse(Obstacle? refusal)
    {
        if (refusal is { } why)
        {
            throw new TerminalException(why.Reason, why.Message);
        }
    }

    /// <summary>Whether another migration of the same pod came first.</summary>
    public static Obstacle? OfOthers(PodMigration migration, IEnumerable<PodMigration> all)
    {
        var other = all.FirstOrDefault(m =>
            m.Metadata.NamespaceProperty == migration.Metadata.NamespaceProperty
            && m.Metadata.Uid != migration.Metadata.Uid
            && m.Spec.PodName == migration.Spec.PodName
            && m.Status?.CompletionTime is null && m.Spec.DryRun != true
            && ((m.Status?.Conditions).IsTrue(ConditionTypes.Validated)
                || (m.Metadata.CreationTimestamp, m.Metadata.Name)
                    .CompareTo((migration.Metadata.CreationTimestamp, migration.Metadata.Name)) < 0));
        return other is null
            ? null
            : new(
                Reasons.MigrationInProgress,
                $"PodMigration {other.Metadata.Name} of the same pod is under way; wait for it or abort it");
    }
}
