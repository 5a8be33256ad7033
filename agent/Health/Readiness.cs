using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Kubelet;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent.Health;

/// <summary>Whether this agent can do its work now: what /readyz tells. Nothing is killed for it.</summary>
/// <remarks>
/// A kubelet that cannot checkpoint is told and no more: it may stay so for good, and one node whose agent is never
/// ready would hold up the update of all others.
/// </remarks>
internal sealed class Readiness : BackgroundService
{
    private static readonly TimeSpan KubeletLimit = TimeSpan.FromSeconds(20);

    private readonly ReadinessCheck _volume;
    private readonly ReadinessCheck _kubelet;
    private readonly ILogger<Readiness> _logger;

    public Readiness(
        KubeletClient kubelet, StoreMarks marks, IOptions<AgentOptions> options, TimeProvider time,
        ILogger<Readiness> logger)
    {
        _logger = logger;
        // A thread of its own: it may stay in the kernel for as long as the server does not answer.
        _volume = new ReadinessCheck("the volume", token => Task.Factory.StartNew(
            () => AskVolume(marks, options.Value.StoreRoot), token, TaskCreationOptions.LongRunning,
            TaskScheduler.Default), time);
        _kubelet = new ReadinessCheck("kubelet", token => AskKubeletAsync(kubelet, time, token), time);
    }

    /// <summary>What is wrong, or null.</summary>
    public string? Fault => _volume.Fault;

    /// <summary>Why no pod of this node can be dumped, though the agent works; or null.</summary>
    public string? Warning => _kubelet.Fault;

    /// <summary>Writes a mark on the volume and removes it.</summary>
    internal static string? AskVolume(StoreMarks marks, string root)
    {
        try
        {
            marks.Sweep(StoreMarks.Lifetime);
            return null;
        }
        catch (UnauthorizedAccessException exception)
        {
            return $"the volume at {root} cannot be written: {exception.Message} An NFS server does so where it "
                + "squashes root: export with no_root_squash, or a folder that the squashed user may write";
        }
        catch (IOException exception)
        {
            return $"the volume at {root} cannot be written: {exception.Message}";
        }
    }

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(_volume.RunAsync(Tell, stoppingToken), _kubelet.RunAsync(Tell, stoppingToken));

    private static async Task<string?> AskKubeletAsync(
        KubeletClient kubelet, TimeProvider time, CancellationToken cancellationToken)
    {
        using var late = new CancellationTokenSource(KubeletLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            var (works, message) = await kubelet.ProbeAsync(either.Token);
            return works ? null : message;
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested)
        {
            return $"kubelet has not answered for {KubeletLimit.TotalSeconds:0} s";
        }
    }

    private void Tell(string? fault)
    {
        if (fault is not null)
        {
            AgentLog.NotReady(_logger, fault);
        }
    }
}
