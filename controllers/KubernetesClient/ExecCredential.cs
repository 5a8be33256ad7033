using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s.Exceptions;
using YamlDotNet.RepresentationModel;

namespace k8s;

/// <summary>A user's credential plug-in: a program that prints a token or a certificate.</summary>
internal sealed record ExecCredential(
    string File,
    string ApiVersion,
    string Command,
    IReadOnlyList<string> Arguments,
    IReadOnlyList<(string Name, string Value)> Variables,
    string? InstallHint)
{
    public static ExecCredential Of(YamlMappingNode node, string file)
    {
        string? Text(YamlMappingNode map, string key) =>
            map.Children.TryGetValue(key, out var value) ? (value as YamlScalarNode)?.Value : null;
        IEnumerable<YamlNode> List(string key) =>
            node.Children.TryGetValue(key, out var value) && value is YamlSequenceNode list ? list : [];
        var command = Text(node, "command")
            ?? throw new KubeConfigException($"kubeconfig {file}: exec has no command");
        return new ExecCredential(
            file,
            Text(node, "apiVersion") ?? "client.authentication.k8s.io/v1",
            // A name with a slash is relative to the file, one without is looked for in PATH.
            command.Contains('/') ? Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file))!, command) : command,
            [.. List("args").OfType<YamlScalarNode>().Select(argument => argument.Value ?? "")],
            [.. List("env").OfType<YamlMappingNode>().Select(
                pair => (Text(pair, "name") ?? "", Text(pair, "value") ?? ""))],
            Text(node, "installHint"));
    }

    public ExecAnswer Run()
    {
        var start = new ProcessStartInfo(Command, Arguments) { RedirectStandardOutput = true };
        foreach (var (name, value) in Variables)
        {
            start.Environment[name] = value;
        }

        start.Environment["KUBERNETES_EXEC_INFO"] = new JsonObject
        {
            ["kind"] = "ExecCredential",
            ["apiVersion"] = ApiVersion,
            ["spec"] = new JsonObject { ["interactive"] = !Console.IsInputRedirected },
        }.ToJsonString();
        try
        {
            using var process = Process.Start(start)!;
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            if (process.ExitCode != 0)
            {
                throw Broken($"ended with {process.ExitCode}");
            }

            var status = JsonNode.Parse(output)?["status"];
            return new ExecAnswer(
                (string?)status?["token"],
                (string?)status?["clientCertificateData"],
                (string?)status?["clientKeyData"],
                DateTimeOffset.TryParse(
                    (string?)status?["expirationTimestamp"], CultureInfo.InvariantCulture,
                    DateTimeStyles.AssumeUniversal, out var expires)
                    ? expires
                    : null);
        }
        catch (Win32Exception exception)
        {
            throw Broken(exception.Message);
        }
        catch (JsonException)
        {
            throw Broken("did not print an ExecCredential");
        }
    }

    private KubeConfigException Broken(string what) => new(
        $"kubeconfig {File}: the credential plug-in {Command} "
            + $"{what}{(InstallHint is null ? "" : $"\n{InstallHint.Trim()}")}");
}

/// <summary>What a credential plug-in has printed.</summary>
internal sealed record ExecAnswer(string? Token, string? Certificate, string? Key, DateTimeOffset? Expires);

/// <summary>A credential plug-in's token, for which it is asked again when the token's time is over
/// or the server refuses it.</summary>
internal sealed class ExecToken(ExecCredential plugIn, ExecAnswer first, TimeProvider time) : ITokenSource
{
    private readonly Lock _one = new();
    private ExecAnswer _answer = first;

    public string? Read(string? refused)
    {
        lock (_one)
        {
            if (_answer.Expires <= time.GetUtcNow() || (refused is not null && _answer.Token == refused))
            {
                _answer = plugIn.Run();
            }

            return _answer.Token;
        }
    }
}
