namespace PodCheckpointing.Simulation;

/// <summary>Calls over the network: each is carried out, and answered, when the seed wants it.</summary>
internal sealed class Operations(Random random)
{
    private readonly List<Operation> _open = [];

    /// <summary>Whether calls may still be lost.</summary>
    public bool Faults { get; set; } = true;

    /// <summary>Of how many calls one is slow: much else happens before it is carried out. 0: none is.</summary>
    public int SlowOnes { get; init; }

    /// <summary>Whether one ever was.</summary>
    public bool EverLost { get; private set; }

    public int Count => _open.Count;

    /// <summary>Whether a call of that name has been begun and not been carried out.</summary>
    public bool IsOpen(string name) => _open.Exists(o => o.Name == name);

    /// <summary>Begins a call.</summary>
    /// <param name="name">For the trace.</param>
    /// <param name="ready">Whether it can be carried out already.</param>
    /// <param name="effect">Carries it out.</param>
    /// <param name="failure">What the caller sees when the call, or its answer, was lost; null: it never is.</param>
    public Task<T> BeginAsync<T>(string name, Func<bool> ready, Func<T> effect, Func<Exception>? failure)
    {
        // Continuations go where they were begun, to the seeded scheduler, and never to the thread pool.
        var answer = new TaskCompletionSource<T>();
        _open.Add(new Operation(name, ready, lost =>
        {
            if (lost == Lost.Request)
            {
                answer.TrySetException(failure!());
                return;
            }

            try
            {
                var result = effect();
                if (lost == Lost.Answer)
                {
                    answer.TrySetException(failure!());
                }
                else
                {
                    answer.TrySetResult(result);
                }
            }
            catch (Exception exception)
            {
                answer.TrySetException(exception);
            }
        }, failure is not null, SlowOnes > 0 && random.Next(SlowOnes) == 0));
        return answer.Task;
    }

    /// <summary>Carries one out; its name, or null when none can be.</summary>
    /// <param name="idle">Nothing else can happen: slow ones have their turn.</param>
    public string? RunOne(bool idle)
    {
        var ready = _open.Where(o => (!o.IsSlow || idle || random.Next(60) == 0) && o.Ready()).ToList();
        if (ready.Count == 0)
        {
            return null;
        }

        var operation = ready[random.Next(ready.Count)];
        _open.Remove(operation);
        var lost = Faults && operation.MayFail ? random.Next(20) switch { 0 => Lost.Request, 1 => Lost.Answer, _ => Lost.Nothing } : Lost.Nothing;
        EverLost |= lost != Lost.Nothing;
        operation.Run(lost);
        return lost == Lost.Nothing ? operation.Name : $"{operation.Name} (lost {lost})";
    }

    /// <summary>The callers have died; what they sent may still arrive, but not long after: their connections are gone.</summary>
    public void Abandon()
    {
        var sent = _open.Where(_ => random.Next(2) == 0).Select(o => o with { IsSlow = false }).ToList();
        _open.Clear();
        _open.AddRange(sent);
    }

    private enum Lost
    {
        Nothing,
        Request,
        Answer,
    }

    private sealed record Operation(string Name, Func<bool> Ready, Action<Lost> Run, bool MayFail, bool IsSlow);
}
