using k8s;
using k8s.Models;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace PodCheckpointing.Runtime;

/// <summary>How leaders are elected; the same words and defaults as client-go.</summary>
public sealed record LeaderElectionOptions
{
    /// <summary>Namespace of the Lease.</summary>
    public required string Namespace { get; init; }

    /// <summary>Name of the Lease.</summary>
    public required string Name { get; init; }

    /// <summary>Who we are; another one for every process.</summary>
    public required string Identity { get; init; }

    /// <summary>How long others wait after the last renewal that they saw.</summary>
    public TimeSpan LeaseDuration { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long a leader that cannot renew goes on. Shorter than <see cref="LeaseDuration"/>.</summary>
    public TimeSpan RenewDeadline { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often it is tried. Shorter than <see cref="RenewDeadline"/>.</summary>
    public TimeSpan RetryPeriod { get; init; } = TimeSpan.FromSeconds(2);
}

/// <summary>Whether this process may act.</summary>
public interface ILeadership
{
    /// <summary>Completes when it may.</summary>
    Task Acquired { get; }

    /// <summary>Is cancelled when it may not any more; for ever.</summary>
    CancellationToken Lost { get; }

    /// <summary>Whether it may at this instant. A process that was stopped for a while learns so
    /// before anything cancels it.</summary>
    bool Leads => Acquired.IsCompletedSuccessfully && !Lost.IsCancellationRequested;

    /// <summary>To be asked before each thing that is done.</summary>
    /// <exception cref="NotLeadingException">Somebody else may act by now.</exception>
    void ThrowIfNotLeading()
    {
        if (!Leads)
        {
            throw new NotLeadingException();
        }
    }
}

/// <summary>What was to be done is somebody else's by now. Not a failure: whoever leads does it.</summary>
public sealed class NotLeadingException() : OperationCanceledException("this process does not lead any more");

/// <summary>For an operator that is alone.</summary>
public sealed class SoleLeader : ILeadership
{
    /// <inheritdoc/>
    public Task Acquired => Task.CompletedTask;

    /// <inheritdoc/>
    public CancellationToken Lost => CancellationToken.None;
}

/// <summary>Holds a Lease for as long as this process lives, and ends the process when it is lost.</summary>
/// <remarks>
/// As client-go's leaderelection. Clocks of other machines are not believed: how long a holder has been silent is
/// measured here, from when its last renewal was seen. A leader stops at its RenewDeadline, before anybody else may
/// begin.
/// </remarks>
public sealed class LeaderElection(
    IKubernetes kubernetes,
    LeaderElectionOptions options,
    IHostApplicationLifetime lifetime,
    TimeProvider time,
    ILogger<LeaderElection> logger) : BackgroundService, ILeadership
{
    private readonly TaskCompletionSource _acquired = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _lost = new();
    private (V1LeaseSpec? Spec, long At) _seen;
    private long _renewed;

    /// <inheritdoc/>
    public Task Acquired => _acquired.Task;

    /// <inheritdoc/>
    public CancellationToken Lost => _lost.Token;

    /// <inheritdoc/>
    public bool Leads => _acquired.Task.IsCompletedSuccessfully && !_lost.IsCancellationRequested
        && time.GetElapsedTime(Volatile.Read(ref _renewed)) < options.RenewDeadline;

    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        var led = Leads;
        await base.StopAsync(cancellationToken).ConfigureAwait(false);
        if (led)
        {
            // What we did has stopped already or stops with the process: the next one need not wait.
            await _lost.CancelAsync().ConfigureAwait(false);
            await ReleaseAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _lost.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // It counts from before it was sent: that is what others see at the latest. Who learns too late that the Lease
        // was taken may find it with somebody else already, and asks again.
        var asked = time.GetTimestamp();
        while (!await TryAsync(stoppingToken).ConfigureAwait(false)
            || time.GetElapsedTime(asked) >= options.RenewDeadline)
        {
            await Task.Delay(options.RetryPeriod * (1 + (0.2 * Random.Shared.NextDouble())), time, stoppingToken)
                .ConfigureAwait(false);
            asked = time.GetTimestamp();
        }

        RuntimeLog.Leads(logger, options.Identity);
        Volatile.Write(ref _renewed, asked);
        _acquired.TrySetResult();
        while (time.GetElapsedTime(_renewed) < options.RenewDeadline)
        {
            await Task.Delay(options.RetryPeriod, time, stoppingToken).ConfigureAwait(false);
            using var deadline = new CancellationTokenSource(options.RenewDeadline - Elapsed(_renewed), time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, stoppingToken);
            asked = time.GetTimestamp();
            if (await TryAsync(either.Token).ConfigureAwait(false))
            {
                Volatile.Write(ref _renewed, asked);
            }
            else if (_seen.Spec is { HolderIdentity: { Length: > 0 } holder } && holder != options.Identity)
            {
                break;
            }

            stoppingToken.ThrowIfCancellationRequested();
        }

        RuntimeLog.LeadershipLost(logger, options.Identity);
        Environment.ExitCode = 1;
        await _lost.CancelAsync().ConfigureAwait(false);
        lifetime.StopApplication();
    }

    private TimeSpan Elapsed(long since) =>
        time.GetElapsedTime(since) is var elapsed && elapsed < options.RenewDeadline ? elapsed : options.RenewDeadline;

    /// <summary>Acquires or renews the Lease; false when somebody else has it, or nobody knows.</summary>
    private async Task<bool> TryAsync(CancellationToken cancellationToken)
    {
        try
        {
            var now = time.GetUtcNow().UtcDateTime;
            V1Lease lease;
            try
            {
                lease = await kubernetes.GetAsync<V1Lease>(options.Namespace, options.Name, cancellationToken)
                    .ConfigureAwait(false);
            }
            catch (KubernetesException exception) when (exception.IsNotFound)
            {
                await kubernetes.CreateAsync(
                    new V1Lease
                    {
                        Metadata = new V1ObjectMeta { Name = options.Name, NamespaceProperty = options.Namespace },
                        Spec = Ours(now, now, 0),
                    },
                    cancellationToken).ConfigureAwait(false);
                return true;
            }

            var spec = lease.Spec ?? new V1LeaseSpec();
            if (spec != _seen.Spec)
            {
                _seen = (spec, time.GetTimestamp());
            }

            var mine = spec.HolderIdentity == options.Identity;
            if (!mine && spec.HolderIdentity is { Length: > 0 } && time.GetElapsedTime(_seen.At) < PatienceWith(spec))
            {
                return false;
            }

            var next = mine
                ? Ours(spec.AcquireTime ?? now, now, spec.LeaseTransitions ?? 0)
                : Ours(now, now, (spec.LeaseTransitions ?? 0) + 1);
            // With the resourceVersion that was read: of two that try at once, one fails.
            await kubernetes.ReplaceAsync(lease with { Spec = next }, subresource: null, cancellationToken)
                .ConfigureAwait(false);
            return true;
        }
        catch (Exception exception)
        {
            // Also when the time for it is up, or an answer broke off in the middle:
            // whether to go on is the caller's business.
            RuntimeLog.LeaseFailed(logger, exception, options.Identity);
            return false;
        }
    }

    /// <summary>The holder goes by the duration that it has written, which an older or newer
    /// version may have set longer.</summary>
    private TimeSpan PatienceWith(V1LeaseSpec holder) =>
        TimeSpan.FromSeconds(holder.LeaseDurationSeconds ?? 0) is var asked && asked > options.LeaseDuration
            ? asked
            : options.LeaseDuration;

    private async Task ReleaseAsync(CancellationToken cancellationToken)
    {
        try
        {
            var lease = await kubernetes.GetAsync<V1Lease>(options.Namespace, options.Name, cancellationToken)
                .ConfigureAwait(false);
            if (lease.Spec?.HolderIdentity == options.Identity)
            {
                await kubernetes.ReplaceAsync(
                    lease with { Spec = lease.Spec with { HolderIdentity = "", LeaseDurationSeconds = 1 } }, null,
                    cancellationToken)
                    .ConfigureAwait(false);
            }
        }
        catch (Exception exception)
            when (exception is KubernetesException or HttpRequestException or OperationCanceledException)
        {
            RuntimeLog.LeaseFailed(logger, exception, options.Identity);
        }
    }

    private V1LeaseSpec Ours(DateTime acquired, DateTime renewed, int transitions) => new()
    {
        HolderIdentity = options.Identity,
        LeaseDurationSeconds = (int)Math.Ceiling(options.LeaseDuration.TotalSeconds),
        AcquireTime = acquired,
        RenewTime = renewed,
        LeaseTransitions = transitions,
    };
}
