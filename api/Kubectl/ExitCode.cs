namespace PodCheckpointing.Kubectl;

/// <summary>What the process tells the shell. Scripts depend on these numbers.</summary>
internal static class ExitCode
{
    public const int Ok = 0;
    public const int Failed = 1;
    public const int Usage = 2;
    public const int Refused = 3;
    public const int Unreachable = 4;
    public const int TimedOut = 124;
    public const int Interrupted = 130;

    /// <summary>For --help and the README.</summary>
    public static IReadOnlyList<(int Code, string Meaning)> All { get; } =
    [
        (
            Ok,
            "done; with --wait, watch and status: nothing has failed; drain: nothing is left on the node that would "
                + "hold up kubectl drain"),
        (
            Failed,
            "the migration or checkpoint failed, was rolled back or lost its memory (ColdStarted); check found an "
            + "obstacle; of nodes one is not ready; drain leaves a pod, or with --plan would"),
        (Usage, "the command line is wrong"),
        (Refused, "the API server refused: no such object, an invalid value, or no right to it"),
        (Unreachable, "no kubeconfig that can be used, or the API server cannot be reached"),
        (TimedOut, "the wait was longer than --wait-timeout or --request-timeout; the cluster goes on"),
        (Interrupted, "interrupted (Ctrl-C); the cluster goes on"),
    ];
}

/// <summary>An end of the command that a user understands: one sentence, no stack trace.</summary>
internal sealed class CommandException(
    int exitCode, string message, Exception? inner = null) : Exception(message, inner)
{
    public int ExitCode { get; } = exitCode;
}
