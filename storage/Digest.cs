using System.Security.Cryptography;

namespace PodCheckpointing.Storage;

/// <summary>Digests as OCI writes them: "sha256:" and lower-case hex.</summary>
public static class Digest
{
    private const string Algorithm = "sha256:";

    /// <summary>The digest of some bytes.</summary>
    public static string Of(ReadOnlySpan<byte> bytes) => Name(SHA256.HashData(bytes));

    /// <summary>The digest of all that was appended.</summary>
    public static string Finish(IncrementalHash hash)
    {
        ArgumentNullException.ThrowIfNull(hash);
        return Name(hash.GetHashAndReset());
    }

    /// <summary>What bytes are appended to, one piece after the other.</summary>
    public static IncrementalHash Begin() => IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    internal static string Hex(string digest) => digest[Algorithm.Length..];

    private static string Name(byte[] hash) => Algorithm + Convert.ToHexStringLower(hash);
}
