using System.Text.RegularExpressions;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Architecture;

/// <summary>What the files say.</summary>
public sealed partial class SourceTests
{
    private static readonly string[] TopFolders = [.. RepositoryFiles.TopFolders];

    [TestCaseSource(nameof(TopFolders))]
    public void Every_top_folder_is_explained_on_one_page(string folder)
    {
        var readme = $"{folder}/README.md";

        File.Exists(Path.Combine(RepositoryFiles.Root, readme)).Should().BeTrue($"{readme} says what the folder holds");
        RepositoryFiles.Read(readme).Split('\n').Length.Should().BeInRange(5, 60);
    }

    [Test]
    public void No_file_names_a_place_on_somebodys_machine() =>
        Texts().Where(file => MachinePath().IsMatch(RepositoryFiles.Read(file))).Should().BeEmpty();

    [Test]
    public void The_group_is_spelled_in_one_place() =>
        Product(".cs").Where(file => RepositoryFiles.Read(file).Contains("lpm.my.domain")).Should()
            .Equal("api/V1/Schema.cs");

    [Test]
    public void The_runtime_knows_no_checkpoints() =>
        Product(".cs")
            .Where(file => file.StartsWith("controllers/Runtime/") || file.StartsWith("controllers/KubernetesClient/"))
            .Where(file => Checkpoint().IsMatch(RepositoryFiles.Read(file))).Should().BeEmpty();

    /// <summary>Each of the plug-in's folders, and those that it knows.</summary>
    [TestCase("Output")]
    [TestCase("Cluster", "Output")]
    [TestCase("Checks", "Output")]
    [TestCase("Restores")]
    [TestCase("Following", "Cluster", "Output")]
    [TestCase("Commands", "Checks", "Cluster", "Following", "Output", "Restores")]
    public void The_plug_ins_folders_know_only_those_below_them(string folder, params string[] below) =>
        Product(".cs").Where(file => file.StartsWith($"api/Kubectl/{folder}/", StringComparison.Ordinal))
            .SelectMany(file => PlugInFolder().Matches(RepositoryFiles.Read(file)).Select(
                used => (file, Folder: used.Groups[1].Value)))
            .Where(used => !below.Contains(used.Folder)).Should().BeEmpty();

    [Test]
    public void Files_are_short() =>
        Product(".cs").Where(file => File.ReadLines(Path.Combine(RepositoryFiles.Root, file)).Count() > 360)
            .Should().BeEmpty("about 250 lines is the aim");

    [Test]
    public void The_product_never_sleeps() =>
        Product(".cs").Where(file => RepositoryFiles.Read(file).Contains("Thread.Sleep(")).Should().BeEmpty();

    [Test]
    public void An_event_id_means_one_thing() =>
        Product(".cs")
            .SelectMany(file => EventId().Matches(RepositoryFiles.Read(file)).Select(
                id => (Process: file.Split('/')[0], Id: id.Groups[1].Value)))
            .GroupBy(one => one).Where(events => events.Count() > 1).Select(events => events.Key).Should().BeEmpty();

    /// <summary>Where a test may await, the compiler sees to it.</summary>
    [Test]
    public void What_is_asserted_of_a_task_is_awaited() =>
        RepositoryFiles.All.Where(file => file.StartsWith("test/", StringComparison.Ordinal)
            && file.EndsWith(".cs", StringComparison.Ordinal))
            .SelectMany(file => Unawaited().Matches(RepositoryFiles.Read(file)).Select(
                found => (file, Method: found.Groups[1].Value)))
            .Should().BeEmpty("it returns before anything is asserted");

    /// <summary>Reasons has its meaning and remedy, and the compiler sees to the rest.</summary>
    [Test]
    public void A_reason_is_named_by_its_constant()
    {
        var reasons =
            Constant().Matches(RepositoryFiles.Read("api/V1/Reasons.cs")).Select(c => c.Groups[1].Value).ToHashSet();
        reasons.Should().Contain("PodNotFound");

        Product(".cs")
            .SelectMany(file => ReasonPassed().Matches(RepositoryFiles.Read(file)).Select(found => (file, found.Value)))
            .Should().BeEmpty();
        Product(".cs").Where(file => file.Split('/')[0] is "agent" or "controllers")
            .SelectMany(file => CompoundWord().Matches(RepositoryFiles.Read(file)).Select(
                found => (file, Word: found.Groups[1].Value)))
            .Where(found => reasons.Contains(found.Word)).Should().BeEmpty();
    }

    private static IEnumerable<string> Product(string extension) => RepositoryFiles.All.Where(file =>
        file.EndsWith(extension, StringComparison.Ordinal) && !file.StartsWith("test/", StringComparison.Ordinal));

    private static IEnumerable<string> Texts() => RepositoryFiles.All.Where(file =>
        Path.GetExtension(file) is not (".tar" or ".zst" or ".gz" or ".png" or ".bin" or ".img"));

    // The user of every Vagrant box is nobody in particular. The bracket keeps this
    // line from being one of those it finds.
    [GeneratedRegex(@"/[w]ork/|/home/(?!vagrant/)[a-z]|[A-Z]:\\Users", RegexOptions.CultureInvariant)]
    private static partial Regex MachinePath();

    [GeneratedRegex(
        @"^using PodCheckpointing\.Kubectl\.(\w+);", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex PlugInFolder();

    [GeneratedRegex(@"LoggerMessage\(\s*(\d+),", RegexOptions.CultureInvariant)]
    private static partial Regex EventId();

    [GeneratedRegex(@"const string (\w+) = ", RegexOptions.CultureInvariant)]
    private static partial Regex Constant();

    // Of a refusal, of an exception that carries a reason, of an event.
    [GeneratedRegex(
        @"(?:Refusal\.Because\(\s*StatusCode\.\w+|(?:Terminal|Agent)Exception\(|\.Record\([^;""]*""(?:Normal|Warning)"")[,\s]*""",
        RegexOptions.CultureInvariant)]
    private static partial Regex ReasonPassed();

    // A method that returns nothing, up to the next member, with an assertion that returns a task.
    [GeneratedRegex(
        @"^ {4}(?:(?!async )\w+ )*void (\w+)\((?:(?!\n\n {4}\S|\n\}).)*?\.Should\(\)\s*\.\w+Async\b",
        RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex Unawaited();

    // A single word, as Pending, is a phase, too.
    [GeneratedRegex(@"""([A-Z][a-z]+(?:[A-Z][a-z]+)+)""", RegexOptions.CultureInvariant)]
    private static partial Regex CompoundWord();

    // The projects are called PodCheckpointing, and their metrics begin with it; that word alone is allowed.
    [GeneratedRegex(@"checkpoint(?!ing(\b|_))", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Checkpoint();
}
