using Google.Protobuf;

namespace Grpc.Core;

/// <summary>What streams. Calls whose requests stream are not served here.</summary>
public enum MethodType
{
    /// <summary>One request, one response.</summary>
    Unary,

    /// <summary>One request, a stream of responses.</summary>
    ServerStreaming,
}

/// <summary>Turns messages into bytes and back.</summary>
public sealed record Marshaller<T>(Func<T, byte[]> Serializer, Func<byte[], T> Deserializer);

/// <summary>Makes marshallers.</summary>
public static class Marshallers
{
    /// <summary>A marshaller from two functions.</summary>
    public static Marshaller<T> Create<T>(Func<T, byte[]> serializer, Func<byte[], T> deserializer) =>
        new(serializer, deserializer);

    /// <summary>The marshaller of a generated message.</summary>
    public static Marshaller<T> For<T>(MessageParser<T> parser)
        where T : IMessage<T> =>
        new(static message => message.ToByteArray(), parser.ParseFrom);
}

/// <summary>One method of a service.</summary>
public sealed record Method<TRequest, TResponse>(
    MethodType Type,
    string ServiceName,
    string Name,
    Marshaller<TRequest> RequestMarshaller,
    Marshaller<TResponse> ResponseMarshaller)
    where TRequest : class
    where TResponse : class
{
    /// <summary>"/package.Service/Method".</summary>
    public string FullName => $"/{ServiceName}/{Name}";
}

/// <summary>How one call is made.</summary>
/// <param name="Headers">Sent with the request.</param>
/// <param name="Deadline">UTC; the call fails with DeadlineExceeded when it has not ended then. Null: never.</param>
/// <param name="CancellationToken">Gives the call up.</param>
public readonly record struct CallOptions(Metadata? Headers, DateTime? Deadline, CancellationToken CancellationToken);
