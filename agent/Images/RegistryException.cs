namespace PodCheckpointing.Agent.Images;

/// <summary>What came of a registry.</summary>
internal enum RegistryFailure
{
    /// <summary>It is not reached, or answers that it cannot just now.</summary>
    Unavailable,

    /// <summary>It does not let us.</summary>
    Denied,

    /// <summary>It answers what it must not.</summary>
    Refused,

    /// <summary>What it holds is not what it was given.</summary>
    WrongDigest,
}

/// <summary>A registry did not take the image.</summary>
internal sealed class RegistryException(
    RegistryFailure failure, string message, Exception? inner = null) : Exception(message, inner)
{
    public RegistryFailure Failure { get; } = failure;
}
