using System.Text.Json;
using System.Text.Json.Serialization;

namespace k8s.Models;

/// <summary>Standard metadata of every object.</summary>
public sealed record V1ObjectMeta
{
    /// <summary>name is unique within the namespace and the kind.</summary>
    public string? Name { get; init; }

    /// <summary>generateName lets the server choose a name that begins so.</summary>
    public string? GenerateName { get; init; }

    /// <summary>namespace of the object; absent for cluster-scoped kinds.</summary>
    [JsonPropertyName("namespace")]
    public string? NamespaceProperty { get; init; }

    /// <summary>uid tells this object from every namesake, past and future.</summary>
    public string? Uid { get; init; }

    /// <summary>resourceVersion changes with every write.</summary>
    public string? ResourceVersion { get; init; }

    /// <summary>generation changes with every write to the spec.</summary>
    public long? Generation { get; init; }

    /// <summary>creationTimestamp is set by the server.</summary>
    public DateTime? CreationTimestamp { get; init; }

    /// <summary>deletionTimestamp is set while the object waits for its finalizers, or for its grace period.</summary>
    public DateTime? DeletionTimestamp { get; init; }

    /// <summary>deletionGracePeriodSeconds is how long a graceful deletion may take.</summary>
    public long? DeletionGracePeriodSeconds { get; init; }

    /// <summary>labels select the object.</summary>
    public IDictionary<string, string>? Labels { get; init; }

    /// <summary>annotations say more about it.</summary>
    public IDictionary<string, string>? Annotations { get; init; }

    /// <summary>ownerReferences name the objects whose deletion deletes this one.</summary>
    public IList<V1OwnerReference>? OwnerReferences { get; init; }

    /// <summary>finalizers hold the deletion up until each has been removed.</summary>
    public IList<string>? Finalizers { get; init; }

    /// <summary>Fields that this client does not model, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }

    /// <summary>Who has written which field is most of an object's text, and nobody here asks: it is read over. Whoever
    /// replaces an object without it leaves it as it is.</summary>
    [JsonInclude, JsonPropertyName("managedFields"), JsonConverter(typeof(ReadOver))]
    private ReadOver? ManagedFields { get; init; }

    private sealed class ReadOver : JsonConverter<ReadOver?>
    {
        public override ReadOver? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            // Skip refuses where more of the text is still to come, though all of this value is there.
            reader.TrySkip();
            return null;
        }

        public override void Write(Utf8JsonWriter writer, ReadOver? value, JsonSerializerOptions options) =>
            writer.WriteNullValue();
    }
}

/// <summary>Points from a dependent to its owner.</summary>
public sealed record V1OwnerReference
{
    /// <summary>apiVersion of the owner.</summary>
    public string ApiVersion { get; init; } = "";

    /// <summary>kind of the owner.</summary>
    public string Kind { get; init; } = "";

    /// <summary>name of the owner.</summary>
    public string Name { get; init; } = "";

    /// <summary>uid of the owner.</summary>
    public string Uid { get; init; } = "";

    /// <summary>controller is true for the one owner that manages the object.</summary>
    public bool? Controller { get; init; }

    /// <summary>blockOwnerDeletion holds a foreground deletion of the owner up.</summary>
    public bool? BlockOwnerDeletion { get; init; }
}

/// <summary>One aspect of an object's state.</summary>
public sealed record V1Condition
{
    /// <summary>type of the condition, CamelCase.</summary>
    public string Type { get; init; } = "";

    /// <summary>status is True, False or Unknown.</summary>
    public string Status { get; init; } = "Unknown";

    /// <summary>observedGeneration is the generation that the condition was set for.</summary>
    public long? ObservedGeneration { get; init; }

    /// <summary>lastTransitionTime is when status last changed.</summary>
    public DateTime? LastTransitionTime { get; init; }

    /// <summary>reason is one CamelCase word for machines.</summary>
    public string Reason { get; init; } = "";

    /// <summary>message is a sentence for people.</summary>
    public string Message { get; init; } = "";
}

/// <summary>Metadata of a list.</summary>
public sealed record V1ListMeta
{
    /// <summary>resourceVersion to watch from.</summary>
    public string? ResourceVersion { get; init; }

    /// <summary>continue asks for the next page; absent on the last one.</summary>
    public string? Continue { get; init; }
}

/// <summary>The server's answer when it refuses.</summary>
public sealed record V1Status
{
    /// <summary>status is Success or Failure.</summary>
    public string? Status { get; init; }

    /// <summary>message is a sentence for people.</summary>
    public string? Message { get; init; }

    /// <summary>reason is one CamelCase word, for example AlreadyExists.</summary>
    public string? Reason { get; init; }

    /// <summary>code is the HTTP status code.</summary>
    public int? Code { get; init; }

    /// <summary>details has what programs read of it.</summary>
    public V1StatusDetails? Details { get; init; }
}

/// <summary>What a refusal is about.</summary>
public sealed record V1StatusDetails
{
    /// <summary>causes are why, each with a word of its own.</summary>
    public IList<V1StatusCause>? Causes { get; init; }
}

/// <summary>One cause of a refusal.</summary>
public sealed record V1StatusCause
{
    /// <summary>reason is one CamelCase word, for example NamespaceTerminating.</summary>
    public string? Reason { get; init; }
}
