namespace PodCheckpointing.Unit.Storage;

internal static class Fixtures
{
    public static string Path(string name)
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(System.IO.Path.Combine(folder, "PodCheckpointing.sln")))
        {
            folder = System.IO.Path.GetDirectoryName(folder)!;
        }

        return System.IO.Path.Combine(folder, "test", "Data", name);
    }
}
