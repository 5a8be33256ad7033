namespace PodCheckpointing.Manager.Nodes;

/// <summary>Where operator and agents are installed.</summary>
/// <param name="Namespace">The namespace of the operator's own credentials: a pod of another one is nobody's
/// agent, whatever its labels say.</param>
internal sealed record Home(string Namespace);
