namespace PodCheckpointing.Kubectl.Checks;

/// <summary>What a look at one thing has shown.</summary>
internal enum Verdict
{
    /// <summary>As it must be.</summary>
    Ok,

    /// <summary>It may go wrong.</summary>
    Warning,

    /// <summary>Objects do not show it.</summary>
    Unknown,

    /// <summary>The operator will refuse.</summary>
    No,
}

/// <summary>One line of a check.</summary>
internal sealed record Finding(string Subject, Verdict Verdict, string Message);
