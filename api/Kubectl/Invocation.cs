namespace PodCheckpointing.Kubectl;

/// <summary>One program, several names: the name that it is called by says which command is meant.</summary>
internal static class Invocation
{
    /// <summary>The command before which a shell asks for completions.</summary>
    public const string Complete = "__complete";

    /// <summary>The name that the process was started by: the link's, not that of the file behind it.</summary>
    public static string Name()
    {
        const string file = "/proc/self/cmdline";
        var name = File.Exists(file) ? File.ReadAllText(file).Split('\0')[0] : Environment.GetCommandLineArgs()[0];
        return Path.GetFileName(name);
    }

    /// <summary>The words of the command line as kubectl's user typed them, without "kubectl".</summary>
    public static string[] Words(string name, string[] arguments)
    {
        string[] prefix = name switch
        {
            "kubectl-create-podmigration" => ["create", "podmigration"],
            "kubectl-create-podcheckpoint" => ["create", "podcheckpoint"],
            "kubectl-podmigration"
                when arguments is not ["create", ..] and not [Complete, "create", ..] => ["podmigration"],
            "kubectl_complete-podmigration" => [Complete, "podmigration"],
            _ => [],
        };
        return arguments is [Complete, .. var words] ? [Complete, .. prefix, .. words] : [.. prefix, .. arguments];
    }
}
