namespace k8s;

/// <summary>Where bearer tokens come from that do not last.</summary>
public interface ITokenSource
{
    /// <summary>A token; null for none.</summary>
    /// <param name="refused">A token that the server does not take any more: another one than that, if there is one.</param>
    string? Read(string? refused);
}

/// <summary>A bearer token in a file that somebody else renews.</summary>
/// <remarks>kubelet renews a pod's token when 80 % of its time are over, an hour by default; a minute is soon enough.</remarks>
internal sealed class TokenFile(string path, TimeProvider time) : ITokenSource
{
    private static readonly TimeSpan Fresh = TimeSpan.FromMinutes(1);
    private (string Token, DateTimeOffset Until) _last = ("", DateTimeOffset.MinValue);

    /// <summary>The token, read again when it was read a minute ago, or was refused.</summary>
    public string Read(string? refused)
    {
        var now = time.GetUtcNow();
        if (_last.Until <= now || _last.Token == refused)
        {
            _last = (File.ReadAllText(path).Trim(), now + Fresh);
        }

        return _last.Token;
    }
}
