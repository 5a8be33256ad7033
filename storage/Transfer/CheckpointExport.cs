using System.Formats.Tar;
using System.Security.Cryptography;

namespace PodCheckpointing.Storage.Transfer;

/// <summary>Writes a whole checkpoint as one file: a plain tar that holds the stored files unchanged.</summary>
/// <remarks>
/// Names as in the store, each manifest before its artifact, so that a reader can compare while it streams, and the
/// marker last, so that a file that was cut short is no checkpoint. The same checkpoint gives the same bytes every
/// time.
/// </remarks>
/// <param name="root">The store's folder.</param>
/// <param name="time">The store's clock.</param>
public sealed class CheckpointExport(string root, TimeProvider time)
{
    private readonly CheckpointStore _store = new(root, time);

    /// <summary>Writes the checkpoint; returns the bytes of its artifacts. All has been
    /// compared when this returns.</summary>
    /// <exception cref="CorruptArtifactException">It is not complete, or not what its marker says.</exception>
    public async Task<long> WriteAsync(
        string podUid, string checkpointId, Stream target, CancellationToken cancellationToken)
    {
        var folder = _store.FolderOf(podUid, checkpointId, null);
        var markerPath = Path.Combine(folder, CheckpointStore.Marker);
        var markerBytes = await ReadAsync(markerPath, cancellationToken).ConfigureAwait(false);
        var containers = ManifestJson.ReadMarker(markerBytes, markerPath).Manifests.Keys.Order(StringComparer.Ordinal);
        var (bytes, newest) = (0L, DateTime.UnixEpoch);
        var tar = new TarWriter(target, TarEntryFormat.Pax, leaveOpen: true);
        await using (tar.ConfigureAwait(false))
        {
            foreach (var container in containers)
            {
                var manifest = _store.FindSealed(podUid, checkpointId, container);
                var path = Path.Combine(folder, container, CheckpointStore.ManifestFile);
                var stored = await ReadAsync(path, cancellationToken).ConfigureAwait(false);
                await AddAsync(tar, path, new MemoryStream(stored), manifest.CreatedAt, cancellationToken)
                    .ConfigureAwait(false);
                await AddArtifactAsync(
                    tar, Path.Combine(folder, container, CheckpointStore.Artifact), manifest, cancellationToken)
                    .ConfigureAwait(false);
                bytes += manifest.CompressedSize;
                newest = manifest.CreatedAt > newest ? manifest.CreatedAt : newest;
            }

            await AddAsync(tar, markerPath, new MemoryStream(markerBytes), newest, cancellationToken)
                .ConfigureAwait(false);
        }

        return bytes;
    }

    private async Task AddArtifactAsync(
        TarWriter tar, string path, ContainerManifest manifest, CancellationToken cancellationToken)
    {
        var file = OpenArtifact(path);
        await using (file.ConfigureAwait(false))
        {
            if (file.Length != manifest.CompressedSize)
            {
                throw new CorruptArtifactException(
                    $"{path} has {file.Length} bytes; its manifest says {manifest.CompressedSize}");
            }

            Posix.WillReadOnce(file.SafeFileHandle);
            using var hash = Digest.Begin();
            await AddAsync(tar, path, new Hashed(file, hash), manifest.CreatedAt, cancellationToken)
                .ConfigureAwait(false);
            var digest = Digest.Finish(hash);
            if (digest != manifest.CompressedDigest)
            {
                throw new CorruptArtifactException(
                    $"{path} has the compressed digest {digest}; its manifest says {manifest.CompressedDigest}");
            }
        }
    }

    private async Task AddAsync(
        TarWriter tar, string path, Stream content, DateTime time, CancellationToken cancellationToken)
    {
        var entry = new PaxTarEntry(TarEntryType.RegularFile, Path.GetRelativePath(root, path))
        {
            DataStream = content,
            Mode = WholeFile.OwnersFile,
            ModificationTime = new DateTimeOffset(DateTime.SpecifyKind(time, DateTimeKind.Utc)),
        };
        await tar.WriteEntryAsync(entry, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<byte[]> ReadAsync(string path, CancellationToken cancellationToken) => Posix.Exists(path)
        ? await File.ReadAllBytesAsync(path, cancellationToken).ConfigureAwait(false)
        : throw new CorruptArtifactException($"{path} is missing: the checkpoint is not complete");

    private static FileStream OpenArtifact(string path)
    {
        try
        {
            return new FileStream(
                path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CorruptArtifactException($"{path} is missing", exception);
        }
    }

    /// <summary>Computes a digest of what is read. It has a length and a position, which a tar's header
    /// needs before the content.</summary>
    private sealed class Hashed(FileStream file, IncrementalHash hash) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => file.Length;

        public override long Position
        {
            get => file.Position;
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = file.Read(buffer, offset, count);
            hash.AppendData(buffer, offset, read);
            return read;
        }

        public override async ValueTask<int> ReadAsync(
            Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = await file.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            hash.AppendData(buffer.Span[..read]);
            return read;
        }

        public override Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken) =>
            base.CopyToAsync(destination, 1 << 20, cancellationToken);

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
