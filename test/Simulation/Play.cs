using k8s.Models;
using PodCheckpointing.Manager.Retention;

namespace PodCheckpointing.Simulation;

/// <summary>What every play has: a cluster, nodes, one operator that may, others that may not any more, and a seed from
/// which all of it follows.</summary>
internal abstract class Play
{
    protected const int FaultySteps = 600;
    protected const int MostSteps = 10_000;
    private readonly int _pace;
    private readonly bool _learns;
    private readonly List<SimulatedOperator> _deposed = [];

    protected Play(int seed, Func<Play, World> world)
    {
        Random = new Random(seed);
        Server = new SimulatedServer(Time, Random) { RefusesFresh = seed % 3 == 0, Wavers = seed % 3 == 1 };
        Operations = new Operations(Random) { Faults = Random.Next(3) > 0, SlowOnes = Random.Next(4) == 0 ? 6 : 0 };
        Retention = new RetentionOptions { Orphans = OrphanRule.Delete, OrphanAge = Random.Next(2) == 0
            ? TimeSpan.FromDays(1)
            : TimeSpan.FromMinutes(10) };
        World = world(this);
        Kubelets = new Kubelets(Server, World, Random, Time);
        Invariants = new Invariants(Server, World);
        _learns = Random.Next(2) == 0;
        // From the quickest of networks to one on which every deadline passes.
        _pace = Random.Next(4) switch { 0 => 200, 1 => 50, _ => 5 };
        foreach (var node in World.Nodes.Keys)
        {
            Server.CreateOrGet(NewNode(node));
        }
    }

    public List<string> Trace { get; } = [];

    /// <summary>What became of it.</summary>
    public string Ending { get; protected set; } = "";

    public Random Random { get; }

    public VirtualTime Time { get; } = new();

    public SimulatedServer Server { get; }

    /// <summary>What is removed by rule.</summary>
    public RetentionOptions Retention { get; }

    protected Operations Operations { get; }

    protected World World { get; }

    protected Kubelets Kubelets { get; }

    protected Invariants Invariants { get; }

    protected SimulatedOperator Operator { get; private set; } = null!;

    /// <summary>The play of a seed: most are of one pod's migration.</summary>
    public static Play Of(int seed) => (seed % 8) switch
    {
        5 => new CrowdPlay(seed),
        6 => new StandalonePlay(seed),
        7 => new Scenario(seed, owned: true),
        _ => new Scenario(seed, owned: false),
    };

    /// <summary>A node as its kubelet registers it.</summary>
    public static V1Node NewNode(string name) => new()
    {
        Metadata = new V1ObjectMeta { Name = name },
        Status = new V1NodeStatus { Conditions = [new V1NodeCondition { Type = "Ready", Status = "True" }] },
    };

    /// <summary>Plays it to its end; what it broke.</summary>
    public abstract IReadOnlyList<string> Run();

    /// <summary>A pod that runs on a node.</summary>
    protected V1Pod Given(V1Pod pod)
    {
        var source = Server.CreateOrGet(pod);
        World.Copies.Add(new Copy(source.Metadata.Uid!, source.Spec.NodeName!,
            [.. source.Spec.Containers.Select(c => new Processes(c.Name) { Life = Life.Running, Started = true })]));
        return source;
    }

    /// <summary>The first operator begins, and knows of all that is there.</summary>
    protected void Begin()
    {
        foreach (var (_, report) in Kubelets.Possible()
            .Where(p => p.Name.Contains("reports", StringComparison.Ordinal)))
        {
            report();
        }

        Operator = NewOperator();
    }

    protected bool Step(bool faulty)
    {
        var possible = Kubelets.Possible();
        var choices = new List<Action>();
        foreach (var one in _deposed.Append(Operator))
        {
            if (one.Scheduler.Count > 0)
            {
                choices.Add(() => one.Scheduler.RunOne());
                choices.Add(() => one.Scheduler.RunOne());
            }

            if (one.HasWork)
            {
                choices.Add(() => one.Reconcile(Random));
            }

            if (one.Cluster.Behind)
            {
                choices.Add(() => one.Cluster.Deliver(Random));
            }
        }

        if (possible.Count > 0)
        {
            choices.Add(() =>
            {
                var (name, act) = possible[Random.Next(possible.Count)];
                Trace.Add(name);
                act();
            });
        }

        if (faulty && Operations.Late > 0 && Random.Next(100) == 0)
        {
            Trace.Add(Operations.RunLate()!);
        }

        if (Random.Next(200) == 0)
        {
            Operator.Sweep();
        }

        var idle = choices.Count == 0;
        // While there may be troubles yet, what is slow waits for them.
        if (Operations.Count > 0 && (idle || Random.Next(3) == 0) && Operations.RunOne(idle && !faulty) is { } done)
        {
            Trace.Add(done);
            return true;
        }

        if (!idle)
        {
            choices[Random.Next(choices.Count)]();
        }

        Time.Advance(TimeSpan.FromMilliseconds(Random.Next(_pace)));
        World.Count();
        return !idle;
    }

    /// <summary>What holds at every instant.</summary>
    protected virtual void Check()
    {
        Invariants.Check();
        World.Violations.AddRange(Operations.Forbidden);
    }

    /// <summary>Lets operators end, or be deposed.</summary>
    protected void MayEnd(Troubles troubles)
    {
        var inTheAct = Operator.HasSent && troubles.EndsInTheAct();
        if (inTheAct || troubles.OperatorDies())
        {
            // What is late for certain is late for its own life, which is no leader's any more.
            Operator.Depose(inTheAct);
            if (Random.Next(2) == 0)
            {
                Trace.Add("operator dies");
                Operator.Dispose();
            }
            else
            {
                Trace.Add("operator is deposed");
                _deposed.Add(Operator);
            }

            Operator = NewOperator();
        }

        if (_deposed.Count > 0 && Random.Next(100) == 0)
        {
            Trace.Add("a deposed operator ends");
            _deposed[0].Dispose();
            _deposed.RemoveAt(0);
        }
    }

    /// <summary>From now on nothing goes wrong any more.</summary>
    protected void EndFaults(Troubles troubles)
    {
        Operations.Faults = Server.Wavers = false;
        _deposed.ForEach(o => o.Dispose());
        _deposed.Clear();
        troubles.End();
    }

    /// <summary>At rest: until the next timer, or what agents hold until something has happened;
    /// false when there is nothing.</summary>
    protected bool Wait()
    {
        if (Time.Next is { } next)
        {
            Time.Advance(next - Time.GetUtcNow());
            return true;
        }

        // The last step's passing of time may have brought something up.
        if (Operator.HasWork || Kubelets.Possible().Count > 0)
        {
            return true;
        }

        if (Operations.Count > 0)
        {
            Time.Advance(TimeSpan.FromSeconds(1));
            return true;
        }

        return false;
    }

    private SimulatedOperator NewOperator() =>
        new(Server, World, Operations, Time, Random, _learns) { Lives = (Operator?.Lives ?? 0) + 1 };
}
