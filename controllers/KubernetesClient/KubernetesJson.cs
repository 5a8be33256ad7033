using System.Text.Json;
using System.Text.Json.Serialization;

namespace k8s;

/// <summary>How objects are written as JSON: camelCase, nothing for null.</summary>
public static class KubernetesJson
{
    /// <summary>The options for every object of the API.</summary>
    public static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        NumberHandling = JsonNumberHandling.Strict,
        Converters = { new SharedStrings(), new SharedElements() },
    };

    /// <summary>An object as JSON text.</summary>
    public static string Serialize<T>(T value) => JsonSerializer.Serialize(value, Options);

    /// <summary>An object from JSON text.</summary>
    /// <exception cref="JsonException">The text is not that object.</exception>
    public static T Deserialize<T>(string json) =>
        JsonSerializer.Deserialize<T>(json, Options) ?? throw new JsonException("the JSON text is null");
}
