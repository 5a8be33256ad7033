using Grpc.Core;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent;

/// <summary>Fields of requests that become names of files, or words of a script.</summary>
internal static class Field
{
    /// <summary>A field's value, which is a uid or a name.</summary>
    /// <param name="field">The field of the request.</param>
    /// <param name="value">What stands there.</param>
    /// <exception cref="RpcException">INVALID_ARGUMENT: it is none.</exception>
    public static string Name(string field, string value) => CheckpointStore.IsName(value)
        ? value
        : throw Refusal.Because(
            StatusCode.InvalidArgument,
            Reasons.InvalidArgument,
            $"{field} \"{value}\" is no uid or name: "
            + "write 1 to 63 lower-case letters, digits and dashes, the first no dash");
}
