using k8s;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Simulation;

/// <summary>Who sends calls: one life of an operator.</summary>
internal sealed class Caller
{
    /// <summary>Its process has ended.</summary>
    public bool IsDead { get; set; }

    /// <summary>Its lease has ended, which it may not know; what it begins to change
    /// from now on is a violation.</summary>
    public bool IsDeposed { get; set; }
}

/// <summary>Calls over the network: each is carried out, and answered, when the seed wants it.</summary>
internal sealed class Operations(Random random)
{
    private readonly List<Operation> _open = [];
    private readonly List<Operation> _late = [];

    /// <summary>What deposed callers have begun to change.</summary>
    public List<string> Forbidden { get; } = [];

    /// <summary>Whether calls may still be lost.</summary>
    public bool Faults { get; set; } = true;

    /// <summary>Of how many calls one is slow: much else happens before it is carried out. 0: none is.</summary>
    public int SlowOnes { get; init; }

    /// <summary>Whether one ever was.</summary>
    public bool EverLost { get; private set; }

    /// <summary>Whose call is being carried out just now; null: none is.</summary>
    public Caller? Carried { get; private set; }

    public int Count => _open.Count;

    /// <summary>Calls of operators that are no more, which nobody knows when to expect.</summary>
    public int Late => _late.Count;

    /// <summary>Whether a caller has sent something that it has not been answered.</summary>
    public bool HasSent(Caller caller) => _open.Exists(o => o.Caller == caller);

    /// <summary>Whether a call of that name has been begun and not been carried out.</summary>
    public bool IsOpen(string name) => _open.Exists(o => o.Name == name);

    /// <summary>Begins a call.</summary>
    /// <param name="caller">Who sends it.</param>
    /// <param name="name">For the trace.</param>
    /// <param name="ready">Whether it can be carried out already.</param>
    /// <param name="effect">Carries it out.</param>
    /// <param name="failure">What the caller sees when the call, or its answer, was lost; null: it never is.</param>
    /// <param name="changes">Whether it changes anything.</param>
    public Task<T> BeginAsync<T>(
        Caller caller, string name, Func<bool> ready, Func<T> effect, Func<Exception>? failure, bool changes = true)
    {
        if (caller.IsDeposed && failure is not null && changes)
        {
            Forbidden.Add($"an operator whose lease has ended begins: {name}");
        }

        // Continuations go where they were begun, to the seeded scheduler, and never to the thread pool.
        var answer = new TaskCompletionSource<T>();
        _open.Add(new Operation(caller, name, ready, lost =>
        {
            if (caller.IsDead)
            {
                // Nobody hears the answer; that the call is refused is as good as any.
                Carry(effect);
                return;
            }

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
        var lost = Faults && operation.MayFail
            ? random.Next(20) switch { 0 => Lost.Request, 1 => Lost.Answer, _ => Lost.Nothing }
            : Lost.Nothing;
        EverLost |= lost != Lost.Nothing;
        Carry(operation, lost);
        return lost == Lost.Nothing ? operation.Name : $"{operation.Name} (lost {lost})";
    }

    /// <summary>Carries out one that is late, whenever that is; its name, or null when there is none.</summary>
    public string? RunLate()
    {
        if (_late.Count == 0)
        {
            return null;
        }

        var operation = _late[random.Next(_late.Count)];
        _late.Remove(operation);
        // It finds the world as it is: what it would have waited for is not waited for by anybody.
        if (operation.Ready())
        {
            Carry(operation, Lost.Nothing);
        }

        return operation.Name + " (late)";
    }

    /// <summary>A caller has died, or does not count any more: what it has sent is lost, or
    /// arrives soon, or at any time.</summary>
    /// <param name="caller">Who.</param>
    /// <param name="late">All of it is late.</param>
    public void Abandon(Caller caller, bool late)
    {
        foreach (var operation in _open.Where(o => o.Caller == caller).ToList())
        {
            _open.Remove(operation);
            switch (late ? 1 : random.Next(4))
            {
                case 0:
                    _open.Add(operation with { IsSlow = false });
                    break;
                case 1:
                case 2:
                    _late.Add(operation);
                    break;
            }
        }
    }

    private void Carry(Operation operation, Lost lost)
    {
        Carried = operation.Caller;
        operation.Run(lost);
        Carried = null;
    }

    private static void Carry<T>(Func<T> effect)
    {
        try
        {
            effect();
        }
        catch (Exception exception) when (exception is AgentException or ConflictException or KubernetesException)
        {
            // Refused.
        }
    }

    private enum Lost
    {
        Nothing,
        Request,
        Answer,
    }

    private sealed record Operation(
        Caller Caller, string Name, Func<bool> Ready, Action<Lost> Run, bool MayFail, bool IsSlow);
}
