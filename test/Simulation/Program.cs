using System.Collections.Concurrent;
using System.Globalization;
using PodCheckpointing.Simulation;

// simulation [SEEDS [FIRST]]: plays so many from the first one on; SEED=<n> plays that one and prints what happened.
if (Environment.GetEnvironmentVariable("SEED") is { Length: > 0 } one)
{
    var scenario = Play.Of(int.Parse(one, CultureInfo.InvariantCulture));
    var broken = scenario.Run();
    Console.WriteLine(string.Join('\n', scenario.Trace));
    Console.WriteLine(string.Join('\n', broken.Select(b => "VIOLATION: " + b)));
    Console.WriteLine($"simulation: 1 seeds, {(broken.Count > 0 ? 1 : 0)} violations");
    return broken.Count > 0 ? 1 : 0;
}

var seeds = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 10_000;
var first = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 0;
var failed = 0;
var ends = new ConcurrentDictionary<string, int>();
Parallel.For(first, first + seeds, seed =>
{
    IReadOnlyList<string> broken;
    try
    {
        var scenario = Play.Of(seed);
        broken = scenario.Run();
        ends.AddOrUpdate(scenario.Ending, 1, (_, n) => n + 1);
    }
    catch (Exception exception)
    {
        broken = [exception.ToString()];
    }

    if (broken.Count > 0 && Interlocked.Increment(ref failed) <= 20)
    {
        Console.WriteLine($"SEED={seed}: {broken[0]}");
    }
});
var rare = seeds >= Endings.Enough ? Endings.Missing(ends, seeds) : [];
Console.WriteLine("ended as " + string.Join(", ", ends.OrderBy(e => e.Key).Select(e => $"{e.Key}: {e.Value}")));
foreach (var missing in rare)
{
    Console.WriteLine(missing);
}

Console.WriteLine($"simulation: {seeds} seeds, {failed} violations");
return failed > 0 || rare.Count > 0 ? 1 : 0;
