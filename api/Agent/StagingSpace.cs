namespace PodCheckpointing.Api.Agent;

/// <summary>What an agent keeps free of the disk where it stages checkpoints. Who looks
/// beforehand asks for as much.</summary>
public static class StagingSpace
{
    /// <summary>Bytes that are left beside the content of a volume that is laid there on its way into memory. Where
    /// there is less, the content is put there straight away, and is the agent's own memory.</summary>
    public const long Spare = 64 << 20;
}
