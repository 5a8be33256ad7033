using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace PodCheckpointing.Agent.Images;

/// <summary>User and password for one registry, out of a docker config.json.</summary>
internal sealed record RegistryCredentials(string User, string Password)
{
    public AuthenticationHeaderValue Basic =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{User}:{Password}")));

    /// <summary>The credentials for a registry, or null where the file names none.</summary>
    /// <exception cref="RegistryException">The file is not one of docker's.</exception>
    /// <remarks>Helpers (credHelpers, credsStore) are programs of a person's machine and are not run.</remarks>
    public static RegistryCredentials? For(string host, string path)
    {
        if (path.Length == 0)
        {
            return null;
        }

        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            if (!document.RootElement.TryGetProperty("auths", out var auths))
            {
                return null;
            }

            // Docker's own registry is known by the address of its first version.
            var names = host == "docker.io"
                ? new[] { host, "https://index.docker.io/v1/" }
                : [host, "https://" + host, "http://" + host];
            foreach (var name in names)
            {
                if (auths.TryGetProperty(name, out var entry))
                {
                    return Read(entry);
                }
            }

            return null;
        }
        catch (Exception exception)
            when (exception is JsonException or InvalidOperationException or FormatException or IOException)
        {
            // Not the parser's words: they may quote what is secret.
            throw new RegistryException(
                RegistryFailure.Denied, $"{path} cannot be read as a docker config.json", exception);
        }
    }

    // Not what a record prints by itself.
    public override string ToString() => "credentials";

    private static RegistryCredentials? Read(JsonElement entry)
    {
        if (Text("auth") is { Length: > 0 } auth)
        {
            return Encoding.UTF8.GetString(Convert.FromBase64String(auth)).Split(':', 2) is [var user, var password]
                ? new RegistryCredentials(user, password.TrimEnd('\0'))
                : throw new FormatException("auth has no colon");
        }

        return Text("username") is { Length: > 0 } name ? new RegistryCredentials(name, Text("password") ?? "") : null;

        string? Text(string key) => entry.TryGetProperty(key, out var value) ? value.GetString() : null;
    }
}
