namespace PodCheckpointing.Storage;

/// <summary>Fresh marks on a volume, by which one node finds out that it sees what
/// another one has just written.</summary>
/// <remarks>
/// Every mark has a name of its own in the store's root: a client of a network volume cannot have kept in its memory
/// that such a name does not exist, as it could for a file or a folder that it has looked for before. For a while a
/// mark serves whoever asks, so that a store of many nodes holds few of them. Who has left one removes it after its
/// <see cref="Lifetime"/>; what a killed one has left goes with the first mark that anybody leaves after that, or in a
/// sweep.
/// </remarks>
public sealed class StoreMarks(string root, TimeProvider time) : IDisposable
{
    /// <summary>How long a mark counts as fresh.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromSeconds(5);

    /// <summary>How long a mark is kept for those that look for it.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(1);

    private const string Prefix = ".mark-";
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(100);
    private const int Looks = 20;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, ITimer> _removals = [];
    private string? _last;
    private long _lastAt;

    /// <summary>Leaves a mark, or finds that the last one is fresh; its name.</summary>
    /// <exception cref="IOException">The volume cannot be written.</exception>
    public string Leave()
    {
        lock (_lock)
        {
            if (_last is not null && time.GetElapsedTime(_lastAt) < Fresh)
            {
                return _last;
            }

            var mark = Guid.NewGuid().ToString("n");
            var at = time.GetTimestamp();
            WholeFile.Create(PathOf(mark), System.Text.Encoding.ASCII.GetBytes(mark), overwrite: false);
            // By the volume's clock, which may be a server's.
            Sweep(File.GetLastWriteTimeUtc(PathOf(mark)) - Lifetime);
            _removals[mark] = time.CreateTimer(_ => Remove(mark), null, Lifetime, Timeout.InfiniteTimeSpan);
            (_last, _lastAt) = (mark, at);
            return mark;
        }
    }

    /// <summary>Whether a mark is on the volume. It is waited for a little: a server may be slow
    /// to tell its other clients.</summary>
    /// <exception cref="ArgumentException">It is no name of a mark.</exception>
    /// <exception cref="IOException">The volume cannot be read.</exception>
    public async Task<bool> FindAsync(string mark, CancellationToken cancellationToken)
    {
        if (mark.Length != 32 || !mark.All(char.IsAsciiHexDigitLower))
        {
            throw new ArgumentException($"\"{mark}\" is no mark", nameof(mark));
        }

        for (var look = 0; look < Looks; look++)
        {
            if (look > 0)
            {
                await Task.Delay(PollInterval, time, cancellationToken).ConfigureAwait(false);
                Posix.Renew(root);
            }

            if (IsThere(mark))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Removes marks of that age, by the volume's clock: this machine's may be another.</summary>
    /// <exception cref="IOException">The volume cannot be written.</exception>
    public void Sweep(TimeSpan age)
    {
        var now = PathOf(Guid.NewGuid().ToString("n"));
        try
        {
            WholeFile.Create(now, [], overwrite: false);
            Sweep(File.GetLastWriteTimeUtc(now) - age);
        }
        finally
        {
            File.Delete(now);
        }
    }

    private void Sweep(DateTime before)
    {
        foreach (var file in new DirectoryInfo(root)
            .EnumerateFiles(Prefix + "*")
            .Where(f => f.LastWriteTimeUtc <= before)
            .ToList())
        {
            // Another node may have removed it meanwhile, which is no error.
            file.Delete();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var mark in _removals.Keys.ToList())
        {
            Remove(mark);
        }
    }

    private void Remove(string mark)
    {
        lock (_lock)
        {
            if (_removals.Remove(mark, out var timer))
            {
                timer.Dispose();
            }
        }

        try
        {
            File.Delete(PathOf(mark));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The volume does not answer: the sweep finds it.
        }
    }

    private string PathOf(string mark) => Path.Combine(root, Prefix + mark);

    private bool IsThere(string mark)
    {
        try
        {
            return File.ReadAllText(PathOf(mark)) == mark;
        }
        catch (FileNotFoundException)
        {
            return false;
        }
    }
}
