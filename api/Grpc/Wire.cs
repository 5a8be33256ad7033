using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Google.Protobuf;

namespace Grpc.Core;

/// <summary>The wire format of gRPC over HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md).</summary>
internal static class Wire
{
    /// <summary>Bytes of grpc-message, encoded.</summary>
    private const int LongestMessage = 4096;

    private const string Cut = "...";

    public const string ContentType = "application/grpc";
    private const int PrefixLength = 5;

    // The longest delay a timer takes is a little more: 2^32 - 2 milliseconds.
    private static readonly TimeSpan LongestDelay = TimeSpan.FromDays(49);

    /// <summary>Whether a content type is that of gRPC with protobuf; gRPC-Web and JSON are not.</summary>
    public static bool IsGrpc(string? contentType)
    {
        var type = contentType.AsSpan();
        type = type[..(type.IndexOf(';') is >= 0 and var end ? end : type.Length)].Trim();
        return type.Equals(ContentType, StringComparison.OrdinalIgnoreCase)
            || type.Equals(ContentType + "+proto", StringComparison.OrdinalIgnoreCase);
    }

    public static byte[] Frame(ReadOnlySpan<byte> message)
    {
        var frame = new byte[PrefixLength + message.Length];
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(1), (uint)message.Length);
        message.CopyTo(frame.AsSpan(PrefixLength));
        return frame;
    }

    /// <summary>The next message, or null at the end of the stream.</summary>
    public static async Task<T?> ReadAsync<T>(
        Stream stream,
        Func<byte[], T> deserialize,
        int maxSize,
        CancellationToken cancellationToken)
        where T : class
    {
        var prefix = new byte[PrefixLength];
        var read = await stream.ReadAtLeastAsync(prefix, PrefixLength, throwOnEndOfStream: false, cancellationToken);
        if (read == 0)
        {
            return null;
        }

        if (read < PrefixLength)
        {
            throw Broken("the stream ended within a message's prefix");
        }

        if (prefix[0] != 0)
        {
            throw prefix[0] == 1
                ? new RpcException(new Status(StatusCode.Unimplemented, "compressed messages are not supported"))
                : Broken($"a message's first byte is {prefix[0]}");
        }

        var size = BinaryPrimitives.ReadUInt32BigEndian(prefix.AsSpan(1));
        if (size > maxSize)
        {
            throw new RpcException(new Status(
                StatusCode.ResourceExhausted, $"a message of {size} bytes is over the limit of {maxSize}"));
        }

        var body = new byte[size];
        try
        {
            await stream.ReadExactlyAsync(body, cancellationToken);
            return deserialize(body);
        }
        catch (EndOfStreamException exception)
        {
            throw Broken("the stream ended within a message", exception);
        }
        catch (InvalidProtocolBufferException exception)
        {
            throw Broken("a message does not parse", exception);
        }
    }

    /// <summary>grpc-timeout: at most eight digits and a unit.</summary>
    public static string FormatTimeout(TimeSpan timeout)
    {
        var milliseconds = (long)Math.Clamp(Math.Ceiling(timeout.TotalMilliseconds), 1, long.MaxValue / 2);
        return milliseconds < 100_000_000
            ? string.Create(CultureInfo.InvariantCulture, $"{milliseconds}m")
            : string.Create(CultureInfo.InvariantCulture, $"{Math.Min(milliseconds / 1000, 99_999_999)}S");
    }

    /// <summary>Reads grpc-timeout; null when it is malformed.</summary>
    public static TimeSpan? ParseTimeout(string text)
    {
        if (text is not { Length: >= 2 and <= 9 }
            || !long.TryParse(
                text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var n))
        {
            return null;
        }

        return text[^1] switch
        {
            'H' => TimeSpan.FromHours(Math.Min(n, 10_000_000)),
            'M' => TimeSpan.FromMinutes(n),
            'S' => TimeSpan.FromSeconds(n),
            'm' => TimeSpan.FromMilliseconds(n),
            'u' => TimeSpan.FromMicroseconds(n),
            'n' => TimeSpan.FromTicks(n / 100),
            _ => null,
        };
    }

    /// <summary>A source that is cancelled after a time, as far as timers can wait; at
    /// once for a time that is over.</summary>
    public static CancellationTokenSource Alarm(TimeSpan? timeout, TimeProvider time) => timeout switch
    {
        null => new CancellationTokenSource(),
        { } t when t > LongestDelay => new CancellationTokenSource(LongestDelay, time),
        { } t when t > TimeSpan.Zero => new CancellationTokenSource(t, time),
        _ => new CancellationTokenSource(TimeSpan.Zero, time),
    };

    /// <summary>grpc-message: percent-encoded UTF-8.</summary>
    /// <remarks>Of a long one the beginning.</remarks>
    public static string EncodeMessage(string text)
    {
        var result = new StringBuilder();
        Span<byte> bytes = stackalloc byte[4];
        foreach (var rune in text.EnumerateRunes())
        {
            var end = result.Length;
            foreach (var b in bytes[..rune.EncodeToUtf8(bytes)])
            {
                if (b is >= 0x20 and <= 0x7e and not (byte)'%')
                {
                    result.Append((char)b);
                }
                else
                {
                    result.Append('%').Append(b.ToString("X2", CultureInfo.InvariantCulture));
                }
            }

            if (result.Length > LongestMessage)
            {
                // Peers refuse a call's end with more in its headers, and its code and reason would be lost with it.
                result.Length = end;
                return result.Append(Cut).ToString();
            }
        }

        return result.ToString();
    }

    /// <summary>Reads grpc-message; what is not encoded well stays as it is, for a
    /// message must never get lost.</summary>
    public static string DecodeMessage(string text)
    {
        var bytes = new List<byte>(text.Length);
        var source = Encoding.UTF8.GetBytes(text);
        for (var i = 0; i < source.Length; i++)
        {
            if (source[i] == '%' && i + 2 < source.Length
                && byte.TryParse(source.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, null, out var b))
            {
                bytes.Add(b);
                i += 2;
            }
            else
            {
                bytes.Add(source[i]);
            }
        }

        return Encoding.UTF8.GetString(bytes.ToArray());
    }

    private static RpcException Broken(string message, Exception? inner = null) =>
        new(new Status(StatusCode.Internal, message), [], inner);
}
