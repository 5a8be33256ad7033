using Microsoft.Extensions.Options;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent.Checkpoints;

/// <summary>Sees an archive begin, so that it can be stored while the runtime still writes it.</summary>
/// <remarks>containerd and CRI-O create the file when CRIU has ended and append to it until they answer.</remarks>
internal sealed class ArchiveWatch(IOptions<AgentOptions> options, TimeProvider time, ILogger<ArchiveWatch> logger)
{
    /// <summary>Looks out for a container's next archive, from now on.</summary>
    public Beginning Watch(CheckpointRequest request)
    {
        FileSystemWatcher? watcher = null;
        var path = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            watcher = new FileSystemWatcher(options.Value.KubeletDirectory) { NotifyFilter = NotifyFilters.FileName };
            // Only what is new: bytes of an older archive of the same second would stand where new ones are to come.
            watcher.Created += (_, created) =>
            {
                if (DumpJournal.IsArchiveOf(request, created.Name ?? ""))
                {
                    path.TrySetResult(created.FullPath);
                }
            };
            watcher.EnableRaisingEvents = true;
        }
        catch (Exception exception) when (exception is ArgumentException or IOException)
        {
            // A kubelet without the feature has no such folder; or the node has no watch
            // left. The archive is stored afterwards.
            watcher?.Dispose();
            watcher = null;
            AgentLog.NotWatched(logger, exception);
        }

        return new Beginning(watcher, path.Task, time, logger);
    }

    /// <summary>An archive that is to begin.</summary>
    internal sealed class Beginning(
        FileSystemWatcher? watcher, Task<string> begun, TimeProvider time, ILogger logger) : IDisposable
    {
        /// <summary>Stores the archive while it is written; whole, or not at all.</summary>
        /// <param name="dumping">The dump that writes it. It has ended, well or not, when this returns.</param>
        /// <param name="storeAsync">Stores a stream; asks for the dump when it has all
        /// bytes, and before they count.</param>
        /// <returns>What was stored; null where the archive has to be read from its beginning.</returns>
        public async Task<ContainerManifest?> FollowAsync(
            Task<Dump> dumping, Func<Stream, Func<Task<Dump>>, Task<ContainerManifest>> storeAsync)
        {
            try
            {
                if (await Task.WhenAny(begun, dumping) != begun)
                {
                    return null;
                }

                var path = await begun;
                await using var file = Open(path);
                if (file is null)
                {
                    return null;
                }

                await using var following = new FollowingStream(file, dumping, time);
                return await storeAsync(following, async () =>
                {
                    var dump = await dumping;
                    var name = File.ResolveLinkTarget(
                        $"/proc/self/fd/{file.SafeFileHandle.DangerousGetHandle()}", returnFinalTarget: false);
                    return dump.Tar == path && name?.FullName == path && file.Position == file.Length
                        ? dump
                        : throw new CorruptArtifactException(
                            $"what was followed as {path} is not what kubelet has made");
                });
            }
            catch (CorruptArtifactException exception)
            {
                await dumping;
                AgentLog.NotFollowed(logger, exception);
                return null;
            }
            finally
            {
                // Nobody may think that the dump has ended because the volume has failed.
                await ((Task)dumping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        public void Dispose() => watcher?.Dispose();

        private FileStream? Open(string path)
        {
            try
            {
                return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            }
            catch (IOException exception)
            {
                // Gone again, or its writer locks it.
                AgentLog.NotFollowed(logger, exception);
                return null;
            }
        }
    }
}
