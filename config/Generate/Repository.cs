namespace PodCheckpointing.Generate;

/// <summary>Finds the repository that a program was started in.</summary>
internal static class Repository
{
    private const string Landmark = "PodCheckpointing.sln";

    /// <summary>The repository's top folder, from any folder in it.</summary>
    public static string Root(string start)
    {
        for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, Landmark)))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException(
            $"neither {start} nor a folder above it holds {Landmark}: start in the repository");
    }
}
