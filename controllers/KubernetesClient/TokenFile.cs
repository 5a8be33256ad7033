namespace k8s;

/// <summary>Where bearer tokens come from that do not last.</summary>
public interface ITokenSource
{
    /// <summary>A token; null for none.</summary>
    /// <param name="refused">A token that the server does not take any more: another one
    /// than that, if there is one.</param>
    string? Read(string? refused);
}

/// <summary>A bearer token in a file that somebody else renews.</summary>
/// <remarks>kubelet renews a pod's token when 80 % of its time are over, an hour by
/// default; a minute is soon enough.</remarks>
internal sealed class TokenFile(string path, TimeProvider time) : ITokenSource
{
    private static readonly TimeSpan Fresh = TimeSpan.FromMinutes(1);

    // One reference, for requests read it side by side: a token never goes with another one's time.
    private volatile Reading _last = new("", DateTimeOffset.MinValue);

    /// <summary>The token, read again when it was read a minute ago, or was refused.</summary>
    public string Read(string? refused)
    {
        var (last, now) = (_last, time.GetUtcNow());
        if (last.Until <= now || last.Token == refused)
        {
            _last = last = new Reading(File.ReadAllText(path).Trim(), now + Fresh);
        }

        return last.Token;
    }

    private sealed record Reading(string Token, DateTimeOffset Until);
}
