using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Archives;

namespace PodCheckpointing.Agent.Restores;

/// <summary>Extracts artifacts while they are still being written, so that little is left
/// to do when they are whole.</summary>
/// <remarks>
/// Only an attempt: what it made is taken where its digests are those of the sealed checkpoint, and thrown away
/// otherwise. It lives in memory: an agent that restarts stages as if there had been none.
/// </remarks>
internal sealed class AheadStaging(
    CheckpointStore store, IOptions<AgentOptions> options, TimeProvider time, ILogger<AheadStaging> logger)
{
    /// <summary>Nobody may ever ask for what it makes.</summary>
    private static readonly TimeSpan AttemptTimeout = TimeSpan.FromMinutes(30);

    /// <summary>Each holds some 40 MiB once there is something to read.</summary>
    private const int AtOnce = 2;

    private readonly ConcurrentDictionary<ContainerRestoreFolder, Attempt> _attempts = new();
    private readonly Lock _beginning = new();

    /// <summary>Begins an attempt for a container's folder, unless one is under way or as many as may be.</summary>
    public void Begin(ContainerRestoreFolder folder, ArtifactUri uri)
    {
        lock (_beginning)
        {
            if (_attempts.Count < AtOnce && !_attempts.ContainsKey(folder))
            {
                // Room for what else is to come, and for what has to be staged when this comes to nothing.
                Directory.CreateDirectory(options.Value.StateRoot);
                var largest = new DriveInfo(options.Value.StateRoot).AvailableFreeSpace / 2;
                var attempt =
                    new Attempt(folder.Ahead, store.Follow(uri.PodUid, uri.CheckpointId, uri.Container!, largest));
                _attempts[folder] = attempt;
                // Nobody may ever ask for it; and one that has failed already would be in the way of others.
                _ = attempt.Extraction.WaitAsync(AttemptTimeout, time).ContinueWith(
                    waited => waited.Exception?.InnerException is { } why
                        ? GiveUpAsync(folder, attempt, why)
                        : Task.CompletedTask,
                    TaskScheduler.Default);
            }
        }
    }

    /// <summary>Whether an attempt is under way.</summary>
    public bool Has(ContainerRestoreFolder folder) => _attempts.ContainsKey(folder);

    /// <summary>Waits for the rest of an attempt.</summary>
    /// <returns>The folder of what was extracted; null where nothing was, or not this.</returns>
    public async Task<string?> FinishAsync(
        ContainerRestoreFolder folder, ContainerManifest manifest, CancellationToken cancellationToken)
    {
        if (!_attempts.TryGetValue(folder, out var attempt))
        {
            // An agent before this one may have begun.
            PrivateFolder.Delete(folder.Ahead);
            return null;
        }

        try
        {
            var made = await attempt.FinishAsync(manifest).WaitAsync(cancellationToken);
            if (made.CompressedDigest != manifest.CompressedDigest)
            {
                throw new CorruptArtifactException("the artifact was written again");
            }
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            // Whatever it was, the checkpoint itself may be whole: staging it as usual will tell.
            await GiveUpAsync(folder, attempt, exception);
            return null;
        }

        if (!attempt.Take())
        {
            await GiveUpAsync(folder, attempt);
            return null;
        }

        Forget(folder, attempt);
        return folder.Ahead;
    }

    /// <summary>Ends the attempts for the containers of a pod and removes what they made.</summary>
    public Task GiveUpAsync(PodRestoreFolder pod) =>
        Task.WhenAll(_attempts.Where(a => a.Key.Pod == pod).Select(a => GiveUpAsync(a.Key, a.Value)));

    private Task GiveUpAsync(ContainerRestoreFolder folder, Attempt attempt, Exception why)
    {
        AgentLog.NotAhead(logger, folder.Pod.PodUid, folder.Name, why.Message);
        return GiveUpAsync(folder, attempt);
    }

    private Task GiveUpAsync(ContainerRestoreFolder folder, Attempt attempt) =>
        attempt.EndAsync(() => RemoveAsync(folder, attempt));

    private async Task RemoveAsync(ContainerRestoreFolder folder, Attempt attempt)
    {
        try
        {
            await attempt.StopAsync();
            PrivateFolder.Delete(folder.Ahead);
        }
        finally
        {
            // Not before its folder has gone, or the next attempt's would go with it.
            Forget(folder, attempt);
        }
    }

    private void Forget(ContainerRestoreFolder folder, Attempt attempt)
    {
        _attempts.TryRemove(KeyValuePair.Create(folder, attempt));
        attempt.Dispose();
    }

    private sealed class Attempt : IDisposable
    {
        private readonly Lock _ending = new();
        private readonly CancellationTokenSource _stop = new();
        private readonly TaskCompletionSource<ContainerManifest> _finished =
            new(TaskCreationOptions.RunContinuationsAsynchronously);
        private Task? _end;

        public Attempt(string folder, ArtifactFollower follower) => Extraction = Task.Run(() =>
            follower.ExtractAsync(
                PrivateFolder.MakeEmpty(folder), ExtractionOptions.FilesOnly, _finished.Task, _stop.Token));

        public Task<ContainerManifest> Extraction { get; }

        public Task<ContainerManifest> FinishAsync(ContainerManifest manifest)
        {
            _finished.TrySetResult(manifest);
            return Extraction;
        }

        /// <summary>Takes what it made; false where somebody has, or where it has been given up.</summary>
        public bool Take()
        {
            lock (_ending)
            {
                var taken = _end is null;
                _end ??= Task.CompletedTask;
                return taken;
            }
        }

        /// <summary>Ends it once, unless what it made was taken. Whoever else asks waits for that end.</summary>
        public Task EndAsync(Func<Task> end)
        {
            lock (_ending)
            {
                return _end ??= Task.Run(end);
            }
        }

        public async Task StopAsync()
        {
            await _stop.CancelAsync();
            await ((Task)Extraction).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        public void Dispose() => _stop.Dispose();
    }
}
