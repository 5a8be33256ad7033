using PodCheckpointing.Generate;

namespace PodCheckpointing.Unit.Storage;

internal static class Fixtures
{
    public static string Path(string name) =>
        System.IO.Path.Combine(Repository.Root(AppContext.BaseDirectory), "test", "Data", name);
}
