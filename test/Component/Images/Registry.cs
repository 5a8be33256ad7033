using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace PodCheckpointing.Component.Images;

/// <summary>Debian's docker-registry, on a port and in a folder of its own; it can be
/// killed and started again.</summary>
internal sealed class Registry : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pod-checkpointing-registry").FullName;
    private Process? _process;

    private Registry(string address, string settings)
    {
        using (var listener = new TcpListener(IPAddress.Parse(address), 0))
        {
            listener.Start();
            Host = listener.LocalEndpoint.ToString()!;
        }

        File.WriteAllText($"{_folder}/config.yml", $"""
            version: 0.1
            log:
              level: warn
            storage:
              delete:
                enabled: true
              filesystem:
                rootdirectory: {_folder}/data
            http:
              addr: {Host}
              secret: one-for-all-lives
            {settings}
            """);
    }

    /// <summary>host:port</summary>
    public string Host { get; }

    /// <summary>Where its bytes are.</summary>
    public string Data => $"{_folder}/data";

    /// <summary>Starts one. The settings are YAML, below what every test needs; those of
    /// http are indented by two.</summary>
    public static async Task<Registry> StartAsync(string settings = "", string address = "127.0.0.1")
    {
        var registry = new Registry(address, settings);
        await registry.StartAgainAsync();
        return registry;
    }

    /// <summary>Starts it after <see cref="Kill"/>, with the same bytes.</summary>
    public async Task StartAgainAsync()
    {
        _process = Process.Start(new ProcessStartInfo("docker-registry", ["serve", $"{_folder}/config.yml"])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
        var parts = Host.Split(':');
        for (var deadline = Stopwatch.StartNew(); ;)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync(parts[0], int.Parse(parts[1], null));
                return;
            }
            catch (SocketException) when (!_process.HasExited && deadline.Elapsed < TimeSpan.FromSeconds(120))
            {
                await Task.Delay(20);
            }
        }
    }

    /// <summary>Ends it as a crash would.</summary>
    public void Kill()
    {
        _process?.Kill();
        _process?.WaitForExit();
        _process?.Dispose();
        _process = null;
    }

    public void Dispose()
    {
        Kill();
        Directory.Delete(_folder, recursive: true);
    }
}
