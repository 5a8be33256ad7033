using PodCheckpointing.Storage.Archives;

namespace PodCheckpointing.Storage.Transfer;

/// <summary>What an import did.</summary>
/// <param name="PodUID">The pod of the file.</param>
/// <param name="CheckpointID">The checkpoint of the file.</param>
/// <param name="Bytes">Of its artifacts.</param>
/// <param name="New">False where the very same checkpoint stood there already.</param>
public sealed record ImportResult(string PodUID, string CheckpointID, long Bytes, bool New);

/// <summary>Puts a checkpoint that <see cref="CheckpointExport"/> wrote into a store.</summary>
/// <remarks>
/// Nothing in the file is believed: names are the store's or refused, artifacts are compared with their manifests while
/// they stream, and once more, decompressed and walked, as they lie on the volume; then come the manifests, and the
/// marker last. What stands is never overwritten. A failed import takes away what it made; a killed one leaves what a
/// sweep removes and the next import takes over.
/// </remarks>
/// <param name="root">The store's folder.</param>
/// <param name="time">The store's clock.</param>
public sealed class CheckpointImport(string root, TimeProvider time)
{
    private const int Piece = 1 << 20;

    /// <summary>Reads the file to its end marker.</summary>
    /// <exception cref="CorruptArtifactException">The file is no whole checkpoint; nothing of it is left.</exception>
    /// <exception cref="ArgumentException">Another checkpoint, or a part of one, stands in its
    /// place; nothing was changed.</exception>
    /// <exception cref="IOException">The volume fails or is full, or somebody writes that
    /// checkpoint; nothing is left.</exception>
    public async Task<ImportResult> ReadAsync(Stream source, CancellationToken cancellationToken)
    {
        using var target = new ImportTarget(root, new CheckpointStore(root, time));
        try
        {
            await WalkAsync(source, target, cancellationToken).ConfigureAwait(false);
            return await target.FinishAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            target.TakeBack();
            throw;
        }
    }

    private static async Task WalkAsync(Stream source, ImportTarget target, CancellationToken cancellationToken)
    {
        var parser = new TarParser(target);
        var buffer = new byte[Piece];
        while (!parser.AtEnd)
        {
            var read = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                throw new CorruptArtifactException("the file is cut short: it has no end marker");
            }

            parser.Take(buffer.AsSpan(0, read));
        }
    }
}
