namespace PodCheckpointing.Agent.Restores;

/// <summary>A file by which the agent and the restore handler tell each other something.</summary>
internal readonly record struct RestoreFile(string FullName)
{
    public bool Exists => File.Exists(FullName);

    /// <summary>What it says; null where it is not there.</summary>
    public string? Text => File.Exists(FullName) ? File.ReadAllText(FullName) : null;

    /// <summary>Has it say something: it is there whole, or not at all.</summary>
    public void Write(string text)
    {
        Draft(text);
        Publish();
    }

    /// <summary>Writes what <see cref="Publish"/> shows, which then needs no more room on the disk.</summary>
    public void Draft(string text) => File.WriteAllText(FullName + ".partial", text + "\n");

    public void Publish() => File.Move(FullName + ".partial", FullName, overwrite: true);

    public void Delete() => File.Delete(FullName);
}
