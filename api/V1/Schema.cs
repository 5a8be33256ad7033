namespace PodCheckpointing.Api.V1;

/// <summary>The API group of all kinds.</summary>
public static class ApiGroup
{
    /// <summary>Name of the group.</summary>
    public const string Name = "lpm.my.domain";

    /// <summary>Its only version.</summary>
    public const string Version = "v1";

    /// <summary>apiVersion of every object.</summary>
    public const string ApiVersion = Name + "/" + Version;
}

/// <summary>The field must be given.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class RequiredFieldAttribute : Attribute;

/// <summary>A CEL rule of the field or type, with the message for who breaks it.</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Class, AllowMultiple = true)]
public sealed class RuleAttribute(string expression, string message, string? field = null) : Attribute
{
    /// <summary>The wire name of the field, below the rule's own place, that is to
    /// blame; null for that place.</summary>
    public string? Field { get; } = field;

    /// <summary>The expression; true accepts.</summary>
    public string Expression { get; } = expression;

    /// <summary>What the API server says otherwise.</summary>
    public string Message { get; } = message;
}

/// <summary>The field keeps the value, or the absence, that it was created with.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ImmutableAttribute : Attribute;

/// <summary>The field may be set later; once it is set it keeps its value.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ImmutableOnceSetAttribute : Attribute;

/// <summary>The list has at most so many items, and may be a map by one of their fields.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ItemsAttribute(int maxItems, string? key = null) : Attribute
{
    /// <summary>The limit.</summary>
    public int MaxItems { get; } = maxItems;

    /// <summary>The wire name of the field that tells the items apart, or null.</summary>
    public string? Key { get; } = key;
}

/// <summary>The field takes one of these words.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class OneOfAttribute(params string[] values) : Attribute
{
    /// <summary>The words.</summary>
    public IReadOnlyList<string> Values { get; } = values;
}

/// <summary>The text has at most so many characters, and matches a pattern.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class TextAttribute(int maxLength, string? pattern = null) : Attribute
{
    /// <summary>A DNS subdomain: the name of a pod, a node and most other objects.</summary>
    public const string ObjectName = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

    /// <summary>A DNS label: the name of a container, a namespace, a checkpoint.</summary>
    public const string Label = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

    /// <summary>A checkpoint's id on the volume.</summary>
    public const string CheckpointId = "^[0-9]{8}t[0-9]{6}z-[0-9a-z]{6}$";

    /// <summary>A CamelCase word: a reason, the name of a step.</summary>
    public const string Word = "^[A-Za-z][A-Za-z0-9]*$";

    /// <summary>A digest.</summary>
    public const string Digest = "^sha256:[0-9a-f]{64}$";

    /// <summary>The URI of a pod's checkpoint.</summary>
    public const string PodArtifact = "^shared://[0-9a-f][-0-9a-f]*/[0-9]{8}t[0-9]{6}z-[0-9a-z]{6}$";

    /// <summary>The URI of a container's artifact.</summary>
    public const string ContainerArtifact =
        "^shared://[0-9a-f][-0-9a-f]*/[0-9]{8}t[0-9]{6}z-[0-9a-z]{6}/[a-z0-9]([-a-z0-9]*[a-z0-9])?/dump\\.tar\\.zst$";

    /// <summary>A uid.</summary>
    public const string Uid = "^[0-9a-f][-0-9a-f]*$";

    /// <summary>The limit.</summary>
    public int MaxLength { get; } = maxLength;

    /// <summary>The pattern, or null.</summary>
    public string? Pattern { get; } = pattern;
}

/// <summary>The number lies in a range, which may have no upper end.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class BoundsAttribute(long minimum, long maximum = long.MaxValue) : Attribute
{
    /// <summary>The smallest.</summary>
    public long Minimum { get; } = minimum;

    /// <summary>The largest; long.MaxValue for no limit.</summary>
    public long Maximum { get; } = maximum;
}

/// <summary>A column of <c>kubectl get</c>.</summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true)]
public sealed class PrinterColumnAttribute(string name, string jsonPath, string type = "string", int priority = 0)
    : Attribute
{
    /// <summary>The heading.</summary>
    public string Name { get; } = name;

    /// <summary>Where the value is.</summary>
    public string JsonPath { get; } = jsonPath;

    /// <summary>string, integer, boolean or date.</summary>
    public string Type { get; } = type;

    /// <summary>0 for always, 1 for -o wide.</summary>
    public int Priority { get; } = priority;
}

/// <summary>How kubectl may call the kind.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class CalledAttribute(string shortName, params string[] categories) : Attribute
{
    /// <summary>The short name.</summary>
    public string ShortName { get; } = shortName;

    /// <summary>The categories.</summary>
    public IReadOnlyList<string> Categories { get; } = categories;
}
