namespace PodCheckpointing.Generate;

/// <summary>The parts of the schema that Kubernetes itself prescribes.</summary>
internal static class ConditionSchema
{
    /// <summary>The schema of one condition, with the limits of Kubernetes' own type.</summary>
    public static Dictionary<string, object> Make() => new()
    {
        ["description"] = "One aspect of the object's state.",
        ["type"] = "object",
        ["required"] = new[] { "lastTransitionTime", "message", "reason", "status", "type" },
        ["properties"] = new Dictionary<string, object>
        {
            ["type"] = new Dictionary<string, object>
            {
                ["description"] = "type of the condition, CamelCase.",
                ["type"] = "string",
                ["maxLength"] = 316,
            },
            ["status"] = new Dictionary<string, object>
            {
                ["description"] = "status is True, False or Unknown.",
                ["type"] = "string",
                ["enum"] = new[] { "True", "False", "Unknown" },
            },
            ["observedGeneration"] = new Dictionary<string, object>
            {
                ["description"] = "observedGeneration is the generation of the spec that the condition was set for.",
                ["type"] = "integer",
                ["format"] = "int64",
                ["minimum"] = 0,
            },
            ["lastTransitionTime"] = new Dictionary<string, object>
            {
                ["description"] = "lastTransitionTime is when status last changed.",
                ["type"] = "string",
                ["format"] = "date-time",
            },
            ["reason"] = new Dictionary<string, object>
            {
                ["description"] = "reason is one CamelCase word for machines.",
                ["type"] = "string",
                ["minLength"] = 1,
                ["maxLength"] = 1024,
                ["pattern"] = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            },
            ["message"] = new Dictionary<string, object>
            {
                ["description"] = "message is a sentence for people.",
                ["type"] = "string",
                ["maxLength"] = 32768,
            },
        },
    };

    /// <summary>The text of the fields that every object has.</summary>
    public static string TypeMetaText(string name) => name switch
    {
        "apiVersion" => "apiVersion is the group and version of the kind.",
        "kind" => "kind of the object.",
        _ => "metadata of the object.",
    };
}
