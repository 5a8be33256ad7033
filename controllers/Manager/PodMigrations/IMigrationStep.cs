namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>One step of a migration on its way forward.</summary>
/// <remarks>It makes at most one change, which may be made twice; a condition in the status says that it is done. It
/// waits by returning false, and turns the migration back by throwing.</remarks>
internal interface IMigrationStep
{
    /// <summary>Does its part, or finds that it is done.</summary>
    /// <returns>Whether the next step may follow; false where this one waits, or its
    /// status is to be stored first.</returns>
    /// <exception cref="PodCheckpointing.Runtime.TerminalException">The migration cannot go on.</exception>
    Task<bool> RunAsync(MigrationScope scope, CancellationToken cancellationToken);
}
