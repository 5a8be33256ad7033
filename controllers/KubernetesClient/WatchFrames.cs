using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;
using k8s.Models;

namespace k8s;

/// <summary>The lines of a watch, each of which is one event.</summary>
/// <remarks>They are read as they come, bytes to object: as text each would be a string
/// twice its size, for a moment.</remarks>
internal static class WatchFrames
{
    public static async IAsyncEnumerable<WatchEvent<T>> ReadAsync<T>(
        Stream stream, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        var pipe = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 16_384, leaveOpen: true));
        try
        {
            while (true)
            {
                var read = await pipe.ReadAsync(cancellationToken).ConfigureAwait(false);
                var rest = read.Buffer;
                while (rest.PositionOf((byte)'\n') is { } end)
                {
                    yield return Parse<T>(rest.Slice(0, end));
                    rest = rest.Slice(rest.GetPosition(1, end));
                }

                if (read.IsCompleted)
                {
                    // The last line may have no end.
                    if (!rest.IsEmpty)
                    {
                        yield return Parse<T>(rest);
                    }

                    yield break;
                }

                pipe.AdvanceTo(rest.Start, rest.End);
            }
        }
        finally
        {
            await pipe.CompleteAsync().ConfigureAwait(false);
        }
    }

    /// <summary>One line.</summary>
    /// <exception cref="KubernetesException">The line says that the watch has failed.</exception>
    /// <exception cref="JsonException">It is no event.</exception>
    internal static WatchEvent<T> Parse<T>(ReadOnlySequence<byte> line)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        var reader = new Utf8JsonReader(line);
        var item = default(Utf8JsonReader);
        string? type = null;
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isType = reader.ValueTextEquals("type"u8);
            var isObject = reader.ValueTextEquals("object"u8);
            reader.Read();
            if (isType)
            {
                type = reader.GetString();
            }
            else if (isObject)
            {
                // What it is follows from the type, which comes first, but need not.
                item = reader;
                if (type is not null)
                {
                    break;
                }

                reader.Skip();
            }
            else
            {
                reader.Skip();
            }
        }

        if (type is null || item.TokenType == JsonTokenType.None)
        {
            throw new JsonException("a line of a watch has no type or no object");
        }

        if (type == "ERROR")
        {
            var status = JsonSerializer.Deserialize<V1Status>(ref item, KubernetesJson.Options)!;
            throw new KubernetesException((HttpStatusCode)(status.Code ?? 500), status);
        }

        return new WatchEvent<T>(
            Enum.Parse<WatchEventType>(type, ignoreCase: true),
            JsonSerializer.Deserialize<T>(ref item, KubernetesJson.Options)!);
    }
}
