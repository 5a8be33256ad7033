using YamlDotNet.Serialization;

namespace PodCheckpointing.Generate;

/// <summary>config/crd: the CustomResourceDefinition of every kind.</summary>
internal static class CrdFolder
{
    private const string Header =
        "# Generated from the types in api/V1 by config/Generate. Change those, then: dotnet run --project "
            + "config/Generate\n";

    public static GeneratedFolder Make()
    {
        var serializer = new SerializerBuilder().WithQuotingNecessaryStrings().WithIndentedSequences().Build();
        var documentation = Documentation.OfApi();
        return new GeneratedFolder(
            "crd",
            Kinds.All.ToDictionary(
                Kinds.FileName,
                kind => Header + serializer.Serialize(CustomResourceDefinition.For(kind, documentation))),
            "kustomization.yaml");
    }
}
