namespace Grpc.Core;

/// <summary>The status codes of gRPC.</summary>
public enum StatusCode
{
    /// <summary>Success.</summary>
    OK = 0,

    /// <summary>The caller gave up.</summary>
    Cancelled = 1,

    /// <summary>Nobody knows.</summary>
    Unknown = 2,

    /// <summary>The request makes no sense, whatever the state.</summary>
    InvalidArgument = 3,

    /// <summary>The time ran out.</summary>
    DeadlineExceeded = 4,

    /// <summary>What was asked for does not exist.</summary>
    NotFound = 5,

    /// <summary>What was to be created exists.</summary>
    AlreadyExists = 6,

    /// <summary>The caller may not.</summary>
    PermissionDenied = 7,

    /// <summary>Something is used up.</summary>
    ResourceExhausted = 8,

    /// <summary>The state does not allow it; the caller must change the state first.</summary>
    FailedPrecondition = 9,

    /// <summary>Another one got in between; try again.</summary>
    Aborted = 10,

    /// <summary>Past the end.</summary>
    OutOfRange = 11,

    /// <summary>The method is not served.</summary>
    Unimplemented = 12,

    /// <summary>Something is broken.</summary>
    Internal = 13,

    /// <summary>The server cannot be reached or is not ready; try again.</summary>
    Unavailable = 14,

    /// <summary>Data is lost or corrupt.</summary>
    DataLoss = 15,

    /// <summary>The caller did not say who he is.</summary>
    Unauthenticated = 16,
}

/// <summary>How a call ended.</summary>
public readonly record struct Status(StatusCode StatusCode, string Detail);

/// <summary>A call that did not end well.</summary>
public sealed class RpcException(Status status, Metadata trailers, Exception? inner = null)
    : Exception($"{status.StatusCode}: {status.Detail}", inner)
{
    /// <summary>A call that ended so.</summary>
    public RpcException(Status status)
        : this(status, [])
    {
    }

    /// <summary>How it ended.</summary>
    public Status Status { get; } = status;

    /// <summary>The code of <see cref="Status"/>.</summary>
    public StatusCode StatusCode => Status.StatusCode;

    /// <summary>What the server added.</summary>
    public Metadata Trailers { get; } = trailers;
}
