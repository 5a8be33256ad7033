using System.Diagnostics;
using System.Globalization;

namespace PodCheckpointing.LocalCluster;

/// <summary>A running cluster of the bench; see cluster.sh, which does the work.</summary>
public sealed class LocalCluster : IAsyncDisposable
{
    private static readonly string Script = Path.Combine(RepositoryRoot(), "test", "LocalCluster", "cluster.sh");
    private readonly string _name;

    private LocalCluster(string name, string folder)
    {
        _name = name;
        Folder = folder;
    }

    /// <summary>Where its files are.</summary>
    public string Folder { get; }

    /// <summary>Brings a cluster up.</summary>
    public static async Task<LocalCluster> StartAsync(string name)
    {
        await RunAsync(TimeSpan.FromMinutes(30), Script, "up", name);
        return new LocalCluster(name, (await RunAsync(TimeSpan.FromSeconds(10), Script, "dir", name)).Trim());
    }

    /// <summary>Brings only the nodes up, with their containerd.</summary>
    public static async Task<LocalCluster> StartNodesAsync(string name)
    {
        await RunAsync(TimeSpan.FromMinutes(30), Script, "nodes", name);
        return new LocalCluster(name, (await RunAsync(TimeSpan.FromSeconds(10), Script, "dir", name)).Trim());
    }

    /// <summary>The root folder of a node's own mount namespace.</summary>
    public string RootOf(string node) => $"/proc/{File.ReadAllText(Path.Combine(Folder, node, "pid")).Split(' ')[1].Trim()}/root";

    /// <summary>Runs kubectl; throws when it fails.</summary>
    public Task<string> KubectlAsync(params string[] arguments) =>
        RunAsync(TimeSpan.FromMinutes(3), Script, ["kubectl", _name, .. arguments]);

    /// <summary>Applies a manifest.</summary>
    public async Task ApplyAsync(string yaml)
    {
        var file = Path.Combine(Folder, "run", $"{Guid.NewGuid():N}.yaml");
        await File.WriteAllTextAsync(file, yaml);
        await KubectlAsync("apply", "-f", file);
    }

    /// <summary>kubectl get with a JSON path.</summary>
    public Task<string> GetAsync(string resource, string name, string path) =>
        KubectlAsync("get", resource, name, "-o", $"jsonpath={path}");

    /// <summary>Waits until what kubectl prints satisfies a condition.</summary>
    public async Task<string> UntilAsync(Func<string, bool> done, params string[] arguments)
    {
        var watch = Stopwatch.StartNew();
        var last = "";
        while (watch.Elapsed < TimeSpan.FromSeconds(60))
        {
            last = await KubectlAsync(arguments);
            if (done(last))
            {
                return last;
            }

            await Task.Delay(100);
        }

        throw new TimeoutException($"kubectl {string.Join(' ', arguments)} goes on to print \"{last}\"");
    }

    /// <summary>Waits until a JSON path has one of the values, and returns which.</summary>
    public async Task<string> WaitAsync(string resource, string name, string path, params string[] values)
    {
        var watch = Stopwatch.StartNew();
        var last = "";
        while (watch.Elapsed < TimeSpan.FromSeconds(90))
        {
            last = await GetAsync(resource, name, path);
            if (values.Contains(last))
            {
                return last;
            }

            await Task.Delay(100);
        }

        throw new TimeoutException(
            $"{resource}/{name} {path} is \"{last}\", not one of {string.Join(", ", values)}:\n"
            + await KubectlAsync("get", resource, name, "-o", "yaml"));
    }

    /// <summary>What a container has printed on a node, over all pods whose name begins so.</summary>
    public IReadOnlyList<string> Log(string node, string podPrefix, string container)
    {
        var folder = Path.Combine(Folder, node, "pods-log");
        return !Directory.Exists(folder)
            ? []
            : [.. Directory.GetDirectories(folder)
                .Where(d => Path.GetFileName(d).Split('_')[1].StartsWith(podPrefix, StringComparison.Ordinal))
                .Select(d => Path.Combine(d, container))
                .Where(Directory.Exists)
                .SelectMany(Directory.GetFiles)
                .Order(StringComparer.Ordinal)
                .SelectMany(File.ReadAllLines)
                .Select(line => line.Split(' ', 4))
                .Where(parts => parts.Length == 4)
                .Select(parts => parts[3])];
    }

    /// <summary>The numbers behind a word in a container's log.</summary>
    public IReadOnlyList<long> Numbers(string node, string podPrefix, string container, string word) =>
        [.. Log(node, podPrefix, container)
            .Where(l => l.StartsWith(word + "=", StringComparison.Ordinal))
            .Select(l => long.Parse(l[(word.Length + 1)..].Split(' ')[0], CultureInfo.InvariantCulture))];

    /// <summary>Kills a process of the cluster, without mercy.</summary>
    public Task KillAsync(string process) => RunAsync(TimeSpan.FromSeconds(20), Script, "kill", _name, process);

    /// <summary>Runs a shell command on a node.</summary>
    public Task<string> OnNodeAsync(string node, string command) =>
        RunAsync(TimeSpan.FromMinutes(1), Script, "node", _name, node, "sh", "-c", command);

    /// <summary>Starts a killed process again: etcd, apiserver, operator, or agent with the node.</summary>
    public Task StartProcessAsync(params string[] process) =>
        RunAsync(TimeSpan.FromSeconds(20), Script, ["start", _name, .. process]);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await RunAsync(TimeSpan.FromMinutes(2), Script, "down", _name);

    private static string RepositoryRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "PodCheckpointing.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("no PodCheckpointing.sln above the program");
        }

        return folder;
    }

    private static async Task<string> RunAsync(TimeSpan limit, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        // Should this process die, the next cluster to come up takes this one down.
        start.Environment["POD_CHECKPOINTING_OWNER"] = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        using var process = Process.Start(start)!;
        using var deadline = new CancellationTokenSource(limit);
        var output = process.StandardOutput.ReadToEndAsync(deadline.Token);
        var errors = process.StandardError.ReadToEndAsync(deadline.Token);
        try
        {
            await process.WaitForExitAsync(deadline.Token);
            return process.ExitCode == 0
                ? await output
                : throw new InvalidOperationException(
                    $"{Path.GetFileName(program)} {string.Join(' ', arguments)}: {await output}{await errors}");
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{Path.GetFileName(program)} {string.Join(' ', arguments)} took over {limit}");
        }
    }
}
