using System.Net;
using k8s.Models;

namespace k8s;

/// <summary>The API server refused a request.</summary>
public sealed class KubernetesException(HttpStatusCode code, V1Status status)
    : Exception(status.Message ?? $"the API server answered {(int)code}")
{
    /// <summary>The HTTP status code.</summary>
    public HttpStatusCode Code { get; } = code;

    /// <summary>How long the server asks to be left alone; null where it does not.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>What the server said.</summary>
    public V1Status Status { get; } = status;

    /// <summary>The object does not exist.</summary>
    public bool IsNotFound => Code == HttpStatusCode.NotFound;

    /// <summary>An object of that name exists.</summary>
    public bool IsAlreadyExists => Code == HttpStatusCode.Conflict && Status.Reason == "AlreadyExists";

    /// <summary>The object has changed since it was read, or a precondition did not hold.</summary>
    public bool IsConflict => Code == HttpStatusCode.Conflict && !IsAlreadyExists;

    /// <summary>The resource version to list or watch from is too old.</summary>
    public bool IsGone => Code == HttpStatusCode.Gone || Status.Reason is "Expired" or "Gone";

    /// <summary>Nothing can be created in the namespace any more: it is being deleted,
    /// which nobody can take back.</summary>
    public bool IsNamespaceTerminating => Status.Details?.Causes?.Any(c => c.Reason == "NamespaceTerminating") == true;
}
