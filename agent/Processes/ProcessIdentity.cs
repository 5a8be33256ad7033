using System.Globalization;

namespace PodCheckpointing.Agent.Processes;

/// <summary>A process, told from any other that has had or will have its number: by the
/// boot and by when it began.</summary>
/// <param name="Pid">Its number.</param>
/// <param name="Boot">The boot's id.</param>
/// <param name="Start">Clock ticks from the boot to its beginning (field 22 of proc_pid_stat(5)).</param>
internal sealed record ProcessIdentity(int Pid, string Boot, ulong Start)
{
    /// <summary>Whether the node has not booted since.</summary>
    public bool IsOfThisBoot => Boot == ThisBoot();

    /// <summary>Whether it is there, and no other has its number.</summary>
    public bool Lives => Of(Pid) == this;

    /// <summary>As the handler has written it; null where that names no process.</summary>
    public static ProcessIdentity? Read(string? text) =>
        text?.Trim().Split(' ') is [var pid, { Length: > 0 } boot, var start]
        && int.TryParse(pid, CultureInfo.InvariantCulture, out var number) && number > 0
        && ulong.TryParse(start, CultureInfo.InvariantCulture, out var ticks)
            ? new ProcessIdentity(number, boot, ticks)
            : null;

    /// <summary>Of a process that is there; null where there is none, or nobody has buried it yet.</summary>
    public static ProcessIdentity? Of(int pid) =>
        // The name before them may hold anything.
        Proc.Text(pid, "stat") is { } stat
            && stat[(stat.LastIndexOf(')') + 2)..].Split(' ') is [not ("Z" or "X"), ..] fields
            ? new ProcessIdentity(pid, ThisBoot(), ulong.Parse(fields[19], CultureInfo.InvariantCulture))
            : null;

    /// <summary>As it is written down.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Pid} {Boot} {Start}");

    /// <summary>The id of the boot that the node runs in.</summary>
    public static string ThisBoot() => File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
}
