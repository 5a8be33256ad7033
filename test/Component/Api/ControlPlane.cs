using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using PodCheckpointing.Generate;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Api;

/// <summary>A real API server on a real etcd, on the loopback and in a folder of its own.</summary>
internal sealed class ControlPlane : IDisposable
{
    private const string Token = "component";

    private readonly string _parts = ApiServerParts.Find();
    private readonly string _folder = Directory.CreateTempSubdirectory("pod-checkpointing-api").FullName;
    private readonly Dictionary<string, (Process Process, string[] Arguments)> _processes = [];
    private int _etcdPort;

    /// <summary>A kubeconfig file with every right.</summary>
    public string Kubeconfig => Path.Combine(_folder, "kubeconfig");

    /// <summary>Starts both and returns when the server is ready.</summary>
    public static async Task<ControlPlane> StartAsync(CancellationToken cancellationToken)
    {
        var result = new ControlPlane();
        try
        {
            await result.RunAsync(cancellationToken);
            return result;
        }
        catch
        {
            result.Dispose();
            throw;
        }
    }

    /// <summary>Runs kubectl; the exit code and all it said.</summary>
    public async Task<(int Code, string Output)> KubectlAsync(string? input, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(
            Path.Combine(_parts, "kubectl"),
            ["--kubeconfig", Kubeconfig, "--cache-dir", Path.Combine(_folder, "cache"), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, said[0] + said[1]);
    }

    /// <summary>Installs our definitions and returns when the server takes and gives objects of each.</summary>
    public async Task InstallDefinitionsAsync()
    {
        await Wait.UntilAsync(() => KubectlAsync(null, "apply", "-k", Samples.Definitions), said => said.Code == 0);
        // It fails at once, however long it may take, where the server has not yet written a condition.
        await Wait.UntilAsync(
            () => KubectlAsync(null, "wait", "crd", "--all", "--for=condition=Established", "--timeout=10s"),
            said => said.Code == 0);
        // Established, and its storage not there yet.
        var kinds = string.Join(',', Kinds.All.Select(Kinds.Entity).Select(kind => $"{kind.PluralName}.{kind.Group}"));
        await Wait.UntilAsync(() => KubectlAsync(null, "get", kinds, "-A"), said => said.Code == 0);
    }

    /// <summary>Kills a part, "etcd" or "kube-apiserver", starts it again and returns
    /// when the server is ready.</summary>
    public async Task RestartAsync(string part)
    {
        var arguments = _processes[part].Arguments;
        Kill(part);
        Start(part, arguments);
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        await ReadyAsync(deadline.Token);
    }

    /// <summary>Makes etcd forget all versions but the present ones.</summary>
    public async Task CompactAsync()
    {
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{_etcdPort}") };
        using var status =
            await http.PostAsync(new Uri("/v3/maintenance/status", UriKind.Relative), new StringContent("{}"));
        using var document = JsonDocument.Parse(await status.Content.ReadAsStringAsync());
        var revision = document.RootElement.GetProperty("header").GetProperty("revision").GetString();
        using var compacted = await http.PostAsync(
            new Uri("/v3/kv/compaction", UriKind.Relative),
            new StringContent($$"""{"revision":"{{revision}}","physical":true}"""));
        compacted.EnsureSuccessStatusCode();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var name in _processes.Keys.Reverse())
        {
            Kill(name);
        }

        Directory.Delete(_folder, recursive: true);
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        var (etcd, peer, api) = (FreePort(), FreePort(), FreePort());
        WriteCertificate();
        File.WriteAllText(In("tokens"), $"{Token},admin,1,\"system:masters\"\n");
        File.WriteAllText(Kubeconfig, $"""
            apiVersion: v1
            kind: Config
            clusters:
              - name: here
                cluster:
                  server: https://127.0.0.1:{api}
                  certificate-authority: {In("tls.crt")}
            users:
              - name: admin
                user:
                  token: {Token}
            contexts:
              - name: here
                context:
                  cluster: here
                  user: admin
            current-context: here
            """);
        _etcdPort = etcd;
        Start(
            "etcd",
            "--data-dir", In("etcd"), "--unsafe-no-fsync",
            "--listen-client-urls", $"http://127.0.0.1:{etcd}", "--advertise-client-urls", $"http://127.0.0.1:{etcd}",
            "--listen-peer-urls", $"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls",
            $"http://127.0.0.1:{peer}",
            "--initial-cluster", $"default=http://127.0.0.1:{peer}");
        Start(
            "kube-apiserver",
            "--etcd-servers", $"http://127.0.0.1:{etcd}", "--bind-address", "127.0.0.1", "--secure-port", $"{api}",
            "--tls-cert-file", In("tls.crt"), "--tls-private-key-file", In("tls.key"), "--client-ca-file",
            In("tls.crt"),
            "--token-auth-file", In("tokens"));
        await ReadyAsync(cancellationToken);
    }

    private async Task ReadyAsync(CancellationToken cancellationToken)
    {
        while ((await KubectlAsync(null, "get", "--raw", "/readyz")).Code != 0)
        {
            if (_processes.Values.Any(p => p.Process.HasExited) || cancellationToken.IsCancellationRequested)
            {
                throw new InvalidOperationException(
                    "the API server did not become ready:\n" + File.ReadAllText(In("kube-apiserver.log")));
            }
        }
    }

    // One certificate that is its own authority.
    private void WriteCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=apiserver", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        // What it is to an emulated machine (Restores/Machine/run.sh).
        names.AddIpAddress(IPAddress.Parse("10.0.2.2"));
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var certificate = request.CreateSelfSigned(
            DateTimeOffset.UtcNow.AddHours(-1),
            DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(In("tls.crt"), certificate.ExportCertificatePem());
        File.WriteAllText(In("tls.key"), key.ExportECPrivateKeyPem());
    }

    private void Start(string part, params string[] arguments) =>
        _processes[part] = (ApiServerParts.Start(Path.Combine(_parts, part), In(part + ".log"), arguments), arguments);

    private void Kill(string part)
    {
        using var process = _processes[part].Process;
        process.Kill(entireProcessTree: true);
        process.WaitForExit();
    }

    private string In(string name) => Path.Combine(_folder, name);

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
