using System.Diagnostics;
using System.Globalization;

namespace PodCheckpointing.Stress;

/// <summary>Runs the fuzzer for as long as it is told.</summary>
internal static class FuzzCommand
{
    public static int Run(string[] args, TextWriter output)
    {
        var options = args.Select(arg => arg.Split('=', 2)).ToDictionary(
            parts => parts[0], parts => parts.ElementAtOrDefault(1) ?? "");
        var seed = Number("--seed", 1);
        if (options.TryGetValue("--target", out var name))
        {
            Fuzz.Targets[name](seed, Number("--case", 0));
            output.WriteLine("nothing is wrong with this case");
            return 0;
        }

        var (began, limit, failed, next) =
            (Stopwatch.GetTimestamp(), TimeSpan.FromSeconds(Number("--seconds", 60)), 0, 0);
        var done = Fuzz.Targets.ToDictionary(target => target.Key, _ => 0);
        while (Stopwatch.GetElapsedTime(began) < limit)
        {
            foreach (var (target, run) in Fuzz.Targets)
            {
                for (var i = 0; i < 50; i++)
                {
                    try
                    {
                        run(seed, next + i);
                    }
                    catch (Exception exception)
                    {
                        failed++;
                        output.WriteLine($"FAILED --target={target} --case={next + i} --seed={seed}: {exception}");
                    }

                    done[target]++;
                }
            }

            next += 50;
        }

        output.WriteLine(string.Join(", ", done.Select(target => $"{target.Key} {target.Value}")));
        output.WriteLine(
            $"fuzz: {done.Values.Sum()} cases in {Stopwatch.GetElapsedTime(began).TotalSeconds:F0} s, {failed} failed");
        return failed == 0 ? 0 : 1;

        int Number(string option, int otherwise) =>
            options.TryGetValue(option, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
    }
}
