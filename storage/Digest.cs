using System.Security.Cryptography;

namespace PodCheckpointing.Storage;

/// <summary>Digests as OCI writes them: "sha256:" and lower-case hex.</summary>
internal static class Digest
{
    public static string Of(ReadOnlySpan<byte> bytes) => Name(SHA256.HashData(bytes));

    public static string Finish(IncrementalHash hash) => Name(hash.GetHashAndReset());

    public static IncrementalHash Begin() => IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    private static string Name(byte[] hash) => "sha256:" + Convert.ToHexStringLower(hash);
}
