using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace k8s.Models;

/// <summary>Who holds something, and until when.</summary>
[KubernetesEntity(Group = "coordination.k8s.io", Kind = "Lease", PluralName = "leases")]
public sealed record V1Lease : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = "coordination.k8s.io/v1";

    /// <inheritdoc/>
    public string Kind { get; init; } = "Lease";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>spec says who.</summary>
    public V1LeaseSpec? Spec { get; init; }
}

/// <summary>Who holds a lease.</summary>
public sealed record V1LeaseSpec
{
    /// <summary>holderIdentity is who holds it; empty when nobody does.</summary>
    public string? HolderIdentity { get; init; }

    /// <summary>leaseDurationSeconds is how long others wait after they saw the last renewal.</summary>
    public int? LeaseDurationSeconds { get; init; }

    /// <summary>acquireTime is when the holder got it.</summary>
    [JsonConverter(typeof(MicroTime))]
    public DateTime? AcquireTime { get; init; }

    /// <summary>renewTime is when the holder last renewed it.</summary>
    [JsonConverter(typeof(MicroTime))]
    public DateTime? RenewTime { get; init; }

    /// <summary>leaseTransitions counts its holders.</summary>
    public int? LeaseTransitions { get; init; }
}

/// <summary>metav1.MicroTime: the server takes six digits of a second, no more and no less.</summary>
internal sealed class MicroTime : JsonConverter<DateTime?>
{
    public override DateTime? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.Null ? null : reader.GetDateTime().ToUniversalTime();

    public override void Write(Utf8JsonWriter writer, DateTime? value, JsonSerializerOptions options)
    {
        if (value is { } time)
        {
            writer.WriteStringValue(
                time.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture));
        }
        else
        {
            writer.WriteNullValue();
        }
    }
}
