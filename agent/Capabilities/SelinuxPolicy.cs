namespace PodCheckpointing.Agent.Capabilities;

/// <summary>Whether the node's SELinux refuses processes what its policy does not name.</summary>
internal static class SelinuxPolicy
{
    /// <summary>Why it keeps restored pods from going on; empty where it does not.</summary>
    /// <param name="nodeRoot">The node's root folder.</param>
    public static string Fault(string nodeRoot)
    {
        var enforce = Path.Combine(nodeRoot, "sys/fs/selinux/enforce");
        return File.Exists(enforce) && File.ReadAllText(enforce).Trim() == "1"
            ? "SELinux is enforcing, and a restored process keeps the label of the pod that was dumped, which the new "
                + "pod's files refuse; make it permissive (setenforce 0, and SELINUX=permissive in "
                + "/etc/selinux/config)"
            : "";
    }
}
