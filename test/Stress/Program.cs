using System.Globalization;
using PodCheckpointing.Stress;

// The processes that tests kill or disturb, and the fuzzer.
const string Usage = """
    usage: life  <root> <podUID> <first> <count>    writes, seals, removes and imports checkpoints until killed, or so many
           life  ... held                           the same, and waits for a line in the midst of the first
           faults <root>                            fails every file system call of every operation once (faults.c preloaded)
           write-back <root>                        fails the waits for the disk in the middle of a write (likewise)
           fuzz  [--seconds=60] [--seed=1]          parsers; prints what fails, and the cases of each target
           fuzz  --target=<name> --case=<n> [--seed=1]   one case again
    """;
switch (args)
{
    case ["life", var root, var pod, var first, var count, .. [] or ["held"]]:
        await new Life(root, pod, held: args is [.., "held"]).RunAsync(
            int.Parse(first, CultureInfo.InvariantCulture), int.Parse(count, CultureInfo.InvariantCulture));
        return 0;
    case ["faults", var root]:
        return await new FaultRun(root, Console.Out).RunAsync();
    case ["write-back", var root]:
        return await new WriteBackRun(root, Console.Out).RunAsync();
    case ["fuzz", .. var options]:
        return FuzzCommand.Run(options, Console.Out);
    default:
        Console.Error.WriteLine(Usage);
        return 2;
}
