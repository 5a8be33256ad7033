using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent.Restores;

/// <summary>Folders for memory of processes: for root alone.</summary>
internal static class PrivateFolder
{
    /// <summary>Keeps a folder from every other user of the node, also where an
    /// agent before this one has not.</summary>
    public static void Make(string folder)
    {
        Directory.CreateDirectory(folder, WholeFile.OwnersFolder);
        File.SetUnixFileMode(folder, WholeFile.OwnersFolder);
    }

    /// <summary>Makes a folder anew.</summary>
    public static string MakeEmpty(string folder)
    {
        Delete(folder);
        Directory.CreateDirectory(folder, WholeFile.OwnersFolder);
        return folder;
    }

    /// <summary>Removes a folder, where there is one.</summary>
    /// <returns>Whether there was.</returns>
    public static bool Delete(string folder)
    {
        if (!Directory.Exists(folder))
        {
            return false;
        }

        Directory.Delete(folder, recursive: true);
        return true;
    }
}
