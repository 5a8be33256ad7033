using System.Diagnostics;
using System.Text.Json;
using NUnit.Framework;
using PodCheckpointing.Component.Deploy;

namespace PodCheckpointing.Component.Grpc;

/// <summary>What came of a call that the foreign client made.</summary>
internal sealed record PythonResult(string[] Values, string Code, string Details, Dictionary<string, string> Trailers);

/// <summary>The foreign peer, peer.py beside this file.</summary>
internal sealed class PythonPeer : IDisposable
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);
    private readonly Process _process;

    private PythonPeer(Process process, int port)
    {
        _process = process;
        Port = port;
    }

    /// <summary>Where the server listens.</summary>
    public int Port { get; }

    /// <summary>Makes sure that the peer's packages are there.</summary>
    public static async Task InstallAsync()
    {
        using var install =
            Process.Start(new ProcessStartInfo("/bin/bash", [Beside("install.sh")]) { RedirectStandardError = true })!;
        var said = await install.StandardError.ReadToEndAsync();
        await install.WaitForExitAsync();
        if (install.ExitCode != 0)
        {
            Assert.Fail($"no python3-grpcio, and test/Component/Grpc/install.sh could not get it:\n{said}");
        }
    }

    /// <summary>Starts a server; it lives until it is disposed of.</summary>
    public static async Task<PythonPeer> ServeAsync(string address, string folder)
    {
        var process = Start("server", address, folder);
        return new PythonPeer(process, int.Parse((await process.StandardOutput.ReadLineAsync())!, null));
    }

    /// <summary>Makes one call.</summary>
    public static async Task<PythonResult> CallAsync(string address, string folder, params string[] call)
    {
        using var process = Start(["client", address, folder, .. call]);
        var said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return JsonSerializer.Deserialize<PythonResult>(said, Json)!;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(TimeSpan.FromSeconds(10)))
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    private static Process Start(params string[] arguments) =>
        Process.Start(new ProcessStartInfo("/usr/bin/python3", [Beside("peer.py"), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;

    // Not CallerFilePath: a deterministic build maps the sources' paths to ones that do not exist.
    private static string Beside(string name) => Path.Combine(Manifests.Root, "test", "Component", "Grpc", name);
}
