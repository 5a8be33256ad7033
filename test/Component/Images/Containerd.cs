using System.Diagnostics;

namespace PodCheckpointing.Component.Images;

/// <summary>A containerd of its own, out of the node tree.</summary>
internal sealed class Containerd : IDisposable
{
    // A unix socket's name has at most 107 bytes.
    private readonly string _folder = Directory.CreateTempSubdirectory("pc-ctrd").FullName;
    private readonly Process _process;

    private Containerd()
    {
        File.WriteAllText($"{_folder}/config.toml", $"""
            version = 3
            root = "{_folder}/root"
            state = "{_folder}/state"
            [grpc]
              address = "{_folder}/containerd.sock"
            [ttrpc]
              address = "{_folder}/containerd.sock.ttrpc"
            """);
        var run = Parts.OfNode();
        _process = Process.Start(new ProcessStartInfo(
            run[0], [.. run[1..], $"{Parts.NodeTree()}/usr/bin/containerd", "--config", $"{_folder}/config.toml"])
        {
            RedirectStandardError = true,
        })!;
    }

    /// <summary>unix://…</summary>
    public string Endpoint => $"unix://{_folder}/containerd.sock";

    public static async Task<Containerd> StartAsync()
    {
        var containerd = new Containerd();
        var booted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        containerd._process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data?.Contains("successfully booted", StringComparison.Ordinal) != false)
            {
                booted.TrySetResult();
            }
        };
        containerd._process.BeginErrorReadLine();
        await booted.Task.WaitAsync(TimeSpan.FromSeconds(120));
        return containerd;
    }

    /// <summary>Its client.</summary>
    public Task<string> CtrAsync(params string[] arguments)
    {
        var run = Parts.OfNode();
        return Parts.RunAsync(
            run[0],
            [
                .. run[1..],
                $"{Parts.NodeTree()}/usr/bin/ctr",
                "--address",
                $"{_folder}/containerd.sock",
                "--namespace",
                "k8s.io",
                .. arguments,
            ]);
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
