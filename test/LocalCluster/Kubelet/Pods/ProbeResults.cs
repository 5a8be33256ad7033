using System.Collections.Concurrent;
using Grpc.Core;
using k8s.Models;

namespace PodCheckpointing.TestKubelet.Pods;

/// <summary>What the probes of one pod's containers have said. Exec probes only; others are refused when the pod starts.</summary>
internal sealed class ProbeResults(CriRuntime runtime)
{
    private readonly ConcurrentDictionary<(string Id, string Kind), (DateTime Next, int Failures, bool Good)> _results = new();

    /// <summary>Asks what is due.</summary>
    public async Task<(bool LivenessFailed, bool Ready)> AskAsync(
        V1Container container, string id, CancellationToken cancellationToken)
    {
        var alive = await ProbeAsync(container.LivenessProbe, id, "liveness", assume: true, cancellationToken);
        var ready = await ProbeAsync(container.ReadinessProbe, id, "readiness", assume: false, cancellationToken);
        return (!alive, ready);
    }

    public bool IsReady(V1Container container, string id) =>
        container.ReadinessProbe is null || (_results.TryGetValue((id, "readiness"), out var result) && result.Good);

    private async Task<bool> ProbeAsync(
        V1Probe? probe, string id, string kind, bool assume, CancellationToken cancellationToken)
    {
        if (probe?.Exec is not { } exec)
        {
            return true;
        }

        var now = DateTime.UtcNow;
        var last = _results.GetOrAdd((id, kind), (now.AddSeconds(probe.InitialDelaySeconds ?? 0), 0, assume));
        if (last.Next > now)
        {
            return last.Good;
        }

        bool passed;
        try
        {
            passed = (await runtime.ExecAsync(id, exec.Command, probe.TimeoutSeconds ?? 1, cancellationToken)).ExitCode == 0;
        }
        catch (RpcException)
        {
            passed = false;
        }

        var failures = passed ? 0 : last.Failures + 1;
        var good = passed || (last.Good && failures < (probe.FailureThreshold ?? 3));
        _results[(id, kind)] = (now.AddSeconds(probe.PeriodSeconds ?? 10), failures, good);
        return good;
    }
}
