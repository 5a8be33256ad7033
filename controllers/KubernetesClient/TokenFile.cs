namespace k8s;

/// <summary>A bearer token in a file that somebody else renews.</summary>
/// <remarks>kubelet renews a pod's token when 80 % of its time are over, an hour by default; a minute is soon enough.</remarks>
internal sealed class TokenFile(string path, TimeProvider time)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromMinutes(1);
    private (string Token, DateTimeOffset Until) _last = ("", DateTimeOffset.MinValue);

    /// <summary>The token, read again when it was read a minute ago.</summary>
    public string Read()
    {
        var now = time.GetUtcNow();
        if (_last.Until <= now)
        {
            _last = (File.ReadAllText(path).Trim(), now + Fresh);
        }

        return _last.Token;
    }
}
