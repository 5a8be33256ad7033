using System.Text.Json;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Architecture;

/// <summary>Dependencies point one way.</summary>
public sealed class ProjectGraphTests
{
    private const string Api = "api/PodCheckpointing.Api.csproj";
    private const string Kubectl = "api/Kubectl/PodCheckpointing.Kubectl.csproj";
    private const string Agent = "agent/PodCheckpointing.Agent.csproj";
    private const string Storage = "storage/PodCheckpointing.Storage.csproj";
    private const string StorageTool = "storage/Tool/PodCheckpointing.StorageTool.csproj";
    private const string Runtime = "controllers/Runtime/PodCheckpointing.Runtime.csproj";
    private const string Manager = "controllers/Manager/PodCheckpointing.Manager.csproj";
    private const string Generate = "config/Generate/PodCheckpointing.Generate.csproj";

    // These two stand in for packages and may be used where the package would be. They know nothing of us.
    private const string KubernetesClient = "controllers/KubernetesClient/KubernetesClient.csproj";
    private const string Grpc = "api/Grpc/PodCheckpointing.Grpc.csproj";

    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        [KubernetesClient] = [],
        [Grpc] = [],
        [Storage] = [],
        [StorageTool] = [Storage],
        [Api] = [KubernetesClient, Grpc],
        [Kubectl] = [Api, KubernetesClient],
        [Runtime] = [KubernetesClient],
        [Manager] = [Api, Runtime, KubernetesClient, Grpc],
        [Agent] = [Api, Storage, Runtime, KubernetesClient, Grpc],
        [Generate] = [Api, KubernetesClient, Manager, Agent],
    };

    private static readonly string[] Product =
        [.. RepositoryFiles.Projects.Where(project => !project.StartsWith("test/", StringComparison.Ordinal))];

    [Test]
    public void Every_project_of_the_product_has_its_place_in_the_graph() =>
        Product.Should().BeSubsetOf(Allowed.Keys, "a new project belongs into the list above, with its arrows");

    [TestCaseSource(nameof(Product))]
    public void Arrows_point_the_right_way(string project) =>
        RepositoryFiles.References(project).Should().BeSubsetOf(Allowed[project]);

    [Test]
    public void Every_reference_leads_to_a_project() =>
        RepositoryFiles.Projects.SelectMany(RepositoryFiles.References).Should().BeSubsetOf(RepositoryFiles.Projects);

    [Test]
    public void The_solution_holds_every_project()
    {
        var solution = RepositoryFiles.Read("PodCheckpointing.sln").Replace('\\', '/');

        RepositoryFiles.Projects.Should().OnlyContain(project => solution.Contains('"' + project + '"'));
    }

    /// <summary>A publish with other properties writes packages of the SDK's into the lock file; CI's
    /// locked restore then refuses it.</summary>
    [TestCaseSource(nameof(Product))]
    public void The_lock_file_locks_what_the_project_asks_for(string project)
    {
        using var locked =
            JsonDocument.Parse(RepositoryFiles.Read(Path.GetDirectoryName(project) + "/packages.lock.json"));

        locked.RootElement.GetProperty("dependencies")
            .EnumerateObject()
            .SelectMany(framework => framework.Value.EnumerateObject())
            .Where(package => package.Value.GetProperty("type").GetString() == "Direct")
            .Select(package => package.Name)
            .Distinct()
                .Should().BeEquivalentTo(RepositoryFiles.Packages(project));
    }

    [Test]
    public void Storage_is_pure_NET() => RepositoryFiles.Packages(Storage).Should().BeEmpty();

    [Test]
    public void Test_packages_stay_in_the_tests() =>
        Product.SelectMany(RepositoryFiles.Packages).Should()
            .NotContain(package => package.StartsWith("NUnit") || package.StartsWith("Microsoft.NET.Test")
                || package == "FluentAssertions" || package == "NSubstitute" || package == "BenchmarkDotNet");
}
