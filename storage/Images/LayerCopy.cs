using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PodCheckpointing.Storage.Archives;

namespace PodCheckpointing.Storage.Images;

/// <summary>How a layer came to its place.</summary>
public enum LayerOrigin
{
    /// <summary>It was there.</summary>
    Present,

    /// <summary>A further name of the dump: no byte was copied.</summary>
    Linked,

    /// <summary>It shares the dump's blocks: no byte was copied.</summary>
    Cloned,

    /// <summary>On another file system: copied.</summary>
    Copied,
}

/// <summary>Puts a dump under another name, at the least cost, and compares its digest.</summary>
internal static partial class LayerCopy
{
    private const ulong CloneRequest = 0x40049409;
    private const int BufferSize = 1 << 20;

    /// <summary>Makes the target, which must not exist, hold what the source holds.</summary>
    /// <exception cref="CorruptArtifactException">The source is not what the digest
    /// says; there is no target.</exception>
    /// <exception cref="IOException">It cannot be read or written; there is no target.</exception>
    public static async Task<LayerOrigin> MakeAsync(
        string source, string target, string digest, CancellationToken cancellationToken)
    {
        try
        {
            using var from = File.OpenHandle(source, options: FileOptions.SequentialScan);
            if (TreeCalls
                .linkat(TreeCalls.AtFdCwd, TreeCalls.Z(source), TreeCalls.AtFdCwd, TreeCalls.Z(target), 0) == 0)
            {
                await CompareAsync(from, source, null, digest, cancellationToken).ConfigureAwait(false);
                return LayerOrigin.Linked;
            }

            // Another file system, or one without links: whatever the reason, the next way
            // is tried and says if it fails, too.
            using var to = WholeFile.Open(target, FileMode.CreateNew);
            var cloned = ioctl(to.SafeFileHandle, CloneRequest, (int)from.DangerousGetHandle()) == 0;
            await CompareAsync(from, source, cloned ? null : to, digest, cancellationToken).ConfigureAwait(false);
            to.Flush(flushToDisk: true);
            return cloned ? LayerOrigin.Cloned : LayerOrigin.Copied;
        }
        catch
        {
            File.Delete(target);
            throw;
        }
    }

    private static async Task CompareAsync(
        SafeFileHandle from, string source, FileStream? to, string digest, CancellationToken cancellationToken)
    {
        using var hash = Digest.Begin();
        var buffer = new byte[BufferSize];
        for (long offset = 0; ;)
        {
            var read = await RandomAccess.ReadAsync(from, buffer, offset, cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                break;
            }

            hash.AppendData(buffer, 0, read);
            if (to is not null)
            {
                await to.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
            }

            offset += read;
        }

        if (Digest.Finish(hash) is var found && found != digest)
        {
            throw new CorruptArtifactException(
                $"{source} has the compressed digest {found}; its manifest says {digest}");
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(SafeFileHandle target, ulong request, int source);
}
