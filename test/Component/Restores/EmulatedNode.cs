using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Grpc.Net.Client;
using NUnit.Framework;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Component.Api;
using PodCheckpointing.Component.Deploy;
using PodCheckpointing.Component.Grpc;

namespace PodCheckpointing.Component.Restores;

/// <summary>A node with systemd and cgroup v2, on a machine that QEMU emulates (Machine/): containerd, the bench's
/// kubelet and the agent as it is published, below an API server of this machine.</summary>
internal sealed class EmulatedNode : IAsyncDisposable
{
    public const string Name = "machine";

    /// <summary>Its code is made anew at every start, which is what takes the time.</summary>
    private const string Quickly = "--setenv=DOTNET_EnableWriteXorExecute=0 --setenv=DOTNET_TieredPGO=0 "
        + "--setenv=DOTNET_TC_CallCountThreshold=1000 --setenv=DOTNET_EnableDiagnostics=0 "
        + "--setenv=Logging__LogLevel__Microsoft=Warning";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private readonly TestAuthority _authority = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("machine-job").FullName;
    private readonly (int Shell, int Agent) _ports = (FreePort(), FreePort());
    private readonly StringBuilder _said = new();
    private ControlPlane _control = null!;
    private Process? _machine;
    private GrpcChannel? _channel;

    public CheckpointServiceClient Agent { get; private set; } = null!;

    /// <summary>Starts the machine, and returns when its agent is ready.</summary>
    public static async Task<EmulatedNode> StartAsync()
    {
        var node = new EmulatedNode();
        try
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(3));
            node._control = await ControlPlane.StartAsync(deadline.Token);
            node.WriteJob();
            node.StartMachine();
            await node.UntilSaysAsync("ls /job/ready", said => said == "/job/ready");
            await node.StartKubeletAsync();
            await node.StartAgentAsync();
            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs a script there, in bash as root; what it says.</summary>
    /// <exception cref="InvalidOperationException">It has failed.</exception>
    public Task<string> ShellAsync(string script) => ShellAsync(script, Patience);

    private async Task<string> ShellAsync(string script, TimeSpan limit)
    {
        using var deadline = new CancellationTokenSource(limit);
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, _ports.Shell, deadline.Token);
        await using var stream = client.GetStream();
        var sent = $"exec 2>&1\n{script}\necho \"exit=$?\"\nexit\n";
        await stream.WriteAsync(Encoding.UTF8.GetBytes(sent), deadline.Token);
        using var reader = new StreamReader(stream);
        var said = (await reader.ReadToEndAsync(deadline.Token)).TrimEnd();
        const string Good = "exit=0";
        return said.EndsWith(Good, StringComparison.Ordinal)
            ? said[..^Good.Length].TrimEnd()
            : throw new InvalidOperationException($"{script}: {said}");
    }

    /// <summary>Waits until a script says what is waited for, and returns it.</summary>
    /// <exception cref="TimeoutException">It does not, in what an emulated processor may take.</exception>
    public async Task<string> UntilSaysAsync(string script, Func<string, bool> done)
    {
        var watch = Stopwatch.StartNew();
        var said = "";
        while (watch.Elapsed < Patience)
        {
            if (_machine!.HasExited)
            {
                throw new InvalidOperationException($"the machine has ended:\n{Said}");
            }

            try
            {
                // As long as nobody is there, QEMU takes the connection and says nothing.
                said = await ShellAsync(script, TimeSpan.FromSeconds(20));
                if (done(said))
                {
                    return said;
                }
            }
            catch (Exception exception) when (
                exception is InvalidOperationException or IOException or SocketException or OperationCanceledException)
            {
                said = exception.Message;
            }

            await Task.Delay(100);
        }

        throw new TimeoutException($"not in {Patience}: {script}; it says \"{said}\"");
    }

    /// <summary>Runs kubectl; throws when it fails.</summary>
    public async Task<string> KubectlAsync(string? input, params string[] arguments)
    {
        var (code, output) = await _control.KubectlAsync(input, arguments);
        return code == 0 ? output.Trim() : throw new InvalidOperationException(output);
    }

    public async Task StartAgentAsync()
    {
        await ShellAsync(
            $"systemd-run --quiet --collect --unit=agent {Quickly} /usr/local/bin/agent --Agent:NodeName={Name} "
            + "--Agent:KubeletCa=/job/pki/ca.crt --Agent:KubeletClientCertificate=/job/pki/checkpoint-agent.crt "
            + "--Agent:KubeletClientKey=/job/pki/checkpoint-agent.key "
            + "--Agent:TlsCertificate=/job/pki/checkpoint-agent.crt "
            + "--Agent:TlsKey=/job/pki/checkpoint-agent.key --Agent:TlsClientCa=/job/pki/ca.crt "
            + "--Agent:LazyRestoreBytes=4194304");
        await UntilSaysAsync(
            "busybox wget -q -O /dev/null http://127.0.0.1:50052/readyz && echo ready", said => said == "ready");
        _channel?.Dispose();
        _channel = GrpcChannel.ForAddress(
            $"https://127.0.0.1:{_ports.Agent}",
            new GrpcChannelOptions
            {
                Tls = AgentTls.ForOperator(
                    _authority.CaFile, Path.Combine(_authority.Folder, "operator.crt"),
                    Path.Combine(_authority.Folder, "operator.key")),
            });
        Agent = new CheckpointServiceClient(_channel, Name);
    }

    /// <summary>Kills the agent, without mercy.</summary>
    public Task KillAgentAsync() =>
        ShellAsync("systemctl kill --signal=KILL agent; while systemctl is-active --quiet agent; do sleep 0.1; done");

    /// <summary>What its parts have said last.</summary>
    public async Task<string> TailsAsync() =>
        await ShellAsync(
            "journalctl --no-pager --quiet --lines=150 --unit=containerd --unit=kubelet --unit=agent; "
            + "tail -n 5 /var/lib/pod-checkpointing/restores/*/*/restore.log 2>/dev/null; true")
        + "\n" + await KubectlAsync(null, "get", "pods", "-o", "wide");

    public async ValueTask DisposeAsync()
    {
        _channel?.Dispose();
        if (_machine is not null)
        {
            if (!_machine.HasExited)
            {
                try
                {
                    await ShellAsync("touch /job/end");
                    await _machine.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));
                }
                catch (Exception exception)
                    when (exception is InvalidOperationException or IOException or SocketException or TimeoutException)
                {
                    _machine.Kill(entireProcessTree: true);
                }
            }

            _machine.Dispose();
        }

        _control?.Dispose();
        _authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private string Said
    {
        get
        {
            lock (_said)
            {
                return _said.ToString();
            }
        }
    }

    private async Task StartKubeletAsync()
    {
        await ShellAsync(
            $"systemd-run --quiet --collect --unit=kubelet {Quickly} "
            + "/job/dotnet/dotnet /job/kubelet/PodCheckpointing.TestKubelet.dll "
            + $"--Kubelet:NodeName={Name} --Kubelet:NodeIP=10.0.2.15 --Kubelet:Kubeconfig=/job/pki/kubeconfig "
            + "--Kubelet:CgroupParent=kubepods.slice --Kubelet:PodPidsLimit=100 "
            + "--Kubelet:TlsCertificate=/job/pki/machine.crt --Kubelet:TlsKey=/job/pki/machine.key "
            + "--Kubelet:ClientCa=/job/pki/ca.crt --Kubelet:CheckpointUsers:0=checkpoint-agent");
    }

    private void WriteJob()
    {
        var root = Manifests.Root;
        foreach (var (name, path) in new[]
        {
            ("run.sh", "test/Component/Restores/Machine/node.sh"),
            ("checkpoint-restore", "agent/Restores/Handler/checkpoint-restore"),
            ("checkpoint-fence", "agent/Fences/Hook/checkpoint-fence"),
            ("base-spec", "config/containerd/base-spec"),
            ("pod-checkpointing.toml", "config/containerd/pod-checkpointing.toml"),
            ("containerd.toml", "test/LocalCluster/Nodes/containerd.toml"),
            ("agent", "artifacts/agent"),
            ("kubelet", "artifacts/kubelet"),
        })
        {
            Link(name, Path.Combine(root, path));
        }

        var images = Manifests.Run(
            "/bin/bash", "-c", $"here={root}/test/LocalCluster; . \"$here/paths.sh\"; echo \"$images\"").Trim();
        Link("images/busybox.tar", Path.Combine(images, "busybox.tar"));
        Link("images/pause.tar", Path.Combine(images, "pause.tar"));
        LinkDotnet();

        // Links, too: the authority goes with the node.
        _authority.Issue("checkpoint-agent", AgentTls.AgentName);
        _authority.Issue(Name, Name);
        _authority.Issue("operator", AgentTls.OperatorName);
        foreach (var file in Directory.EnumerateFiles(_authority.Folder))
        {
            Link($"pki/{Path.GetFileName(file)}", file);
        }

        var kubeconfig = File.ReadAllText(_control.Kubeconfig);
        var authority = Path.Combine(Path.GetDirectoryName(_control.Kubeconfig)!, "tls.crt");
        Link("pki/apiserver.crt", authority);
        File.WriteAllText(
            Path.Combine(_folder, "pki/kubeconfig"),
            kubeconfig.Replace("//127.0.0.1:", "//10.0.2.2:", StringComparison.Ordinal)
                .Replace(authority, "/job/pki/apiserver.crt", StringComparison.Ordinal));
    }

    // This machine's .NET, of which one version is enough: the newest that the programs are made for.
    private void LinkDotnet()
    {
        var runtime = System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory();
        var dotnet = Path.GetFullPath(Path.Combine(runtime, "../../.."));
        Link("dotnet/dotnet", Path.Combine(dotnet, "dotnet"));
        Link("dotnet/host", Path.Combine(dotnet, "host"));
        foreach (var framework in new[] { "Microsoft.NETCore.App", "Microsoft.AspNetCore.App" })
        {
            var newest = Directory.EnumerateDirectories(Path.Combine(dotnet, "shared", framework), "10.*")
                .MaxBy(folder => Version.Parse(Path.GetFileName(folder).Split('-')[0]))!;
            Link($"dotnet/shared/{framework}/{Path.GetFileName(newest)}", newest);
        }
    }

    // The machine's disk is made of what the links lead to.
    private void Link(string name, string path)
    {
        if (!Path.Exists(path))
        {
            Assert.Fail($"no {path}: run make build bench-install");
        }

        var link = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(link)!);
        File.CreateSymbolicLink(link, path);
    }

    private void StartMachine()
    {
        _machine = Process.Start(new ProcessStartInfo(
            Path.Combine(Manifests.Root, "test/Component/Restores/Machine/run.sh"),
            [_folder, $"{_ports.Shell}:7000", $"{_ports.Agent}:50051"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["MACHINE_SECONDS"] = "5400" },
        })!;
        _machine.OutputDataReceived += Heard;
        _machine.ErrorDataReceived += Heard;
        _machine.BeginOutputReadLine();
        _machine.BeginErrorReadLine();
    }

    private void Heard(object sender, DataReceivedEventArgs line)
    {
        lock (_said)
        {
            _said.AppendLine(line.Data);
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
