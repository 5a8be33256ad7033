using PodCheckpointing.Generate;

// dotnet run --project config/Generate            writes config/crd/*.yaml
// dotnet run --project config/Generate -- --check exits 1 when they are not what it would write
if (args is not ([] or ["--check"]))
{
    Console.Error.WriteLine("usage: dotnet run --project config/Generate [-- --check]");
    return 2;
}

var folder = Path.Combine(Repository.Root(Environment.CurrentDirectory), "config", "crd");
var stale = CrdFolder.Stale(folder);
if (args is ["--check"])
{
    foreach (var file in stale)
    {
        Console.Error.WriteLine($"{file} is out of date: run dotnet run --project config/Generate");
    }

    return stale.Count == 0 ? 0 : 1;
}

CrdFolder.Write(folder);
foreach (var file in stale)
{
    Console.WriteLine($"wrote {file}");
}

return 0;
