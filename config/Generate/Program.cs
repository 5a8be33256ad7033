using PodCheckpointing.Generate;

// dotnet run --project config/Generate            writes config/crd/*.yaml and config/reference/*.md
// dotnet run --project config/Generate -- --check exits 1 when they are not what it would write
if (args is not ([] or ["--check"]))
{
    Console.Error.WriteLine("usage: dotnet run --project config/Generate [-- --check]");
    return 2;
}

var repository = Repository.Root(Environment.CurrentDirectory);
var failed = false;
foreach (var generated in GeneratedFolder.All(repository))
{
    var folder = Path.Combine(repository, "config", generated.Name);
    var stale = generated.Stale(folder);
    if (args is [])
    {
        generated.Write(folder);
    }

    foreach (var file in stale)
    {
        Console.WriteLine(args is [] ? $"wrote {generated.Name}/{file}" : $"{generated.Name}/{file} is out of date");
    }

    failed |= args is ["--check"] && stale.Count > 0;
}

if (failed)
{
    Console.Error.WriteLine("out of date: run dotnet run --project config/Generate");
}

return failed ? 1 : 0;
