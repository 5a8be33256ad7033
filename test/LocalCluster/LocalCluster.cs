using System.Diagnostics;
using System.Globalization;

namespace PodCheckpointing.LocalCluster;

/// <summary>A running cluster of the bench; see cluster.sh, which does the work.</summary>
public sealed class LocalCluster : IAsyncDisposable
{
    /// <summary>How long anything is waited for: no test passes by it, and a slow machine fails none.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(180);

    private static readonly string Script = Path.Combine(RepositoryRoot(), "test", "LocalCluster", "cluster.sh");
    private static int _names;
    private readonly string _name;
    private readonly (string Name, string Value)[] _environment;

    private LocalCluster(string name, string folder, (string Name, string Value)[] environment)
    {
        (_name, _environment) = (name, environment);
        Folder = folder;
    }

    /// <summary>The folder of the samples that are demonstrated.</summary>
    public static string Samples { get; } = Path.Combine(RepositoryRoot(), "config", "samples", "demo");

    /// <summary>Where its files are.</summary>
    public string Folder { get; }

    /// <summary>A name that no other cluster of this process has, and none of another
    /// process that runs tests now.</summary>
    public static string NewName(string letter) =>
        $"{letter}{Environment.ProcessId % 10000:D4}{Interlocked.Increment(ref _names)}";

    /// <summary>Brings a cluster up; operator and agents take settings from the
    /// environment (Operator__Workers=2).</summary>
    public static Task<LocalCluster> StartAsync(string name, params (string Name, string Value)[] environment) =>
        BringUpAsync("up", name, environment);

    /// <summary>Brings a cluster up that runs operator and agents as pods, from their images.</summary>
    public static Task<LocalCluster> StartPodsAsync(string name) => BringUpAsync("pods", name, []);

    /// <summary>Brings a cluster up with nothing of ours but the images on its nodes.</summary>
    public static Task<LocalCluster> StartBareAsync(string name) => BringUpAsync("bare", name, []);

    /// <summary>Brings only the nodes up, with their containerd.</summary>
    public static Task<LocalCluster> StartNodesAsync(string name) => BringUpAsync("nodes", name, []);

    /// <summary>An address that is of no node: a pod that asks for it
    /// (Nodes/bench-ipam) has it wherever it is.</summary>
    public string OwnAddress(int number) =>
        $"10.{128 + int.Parse(File.ReadAllText(Path.Combine(Folder, "index")), CultureInfo.InvariantCulture)}.50.{number}";

    /// <summary>The root folder of a node's own mount namespace.</summary>
    public string RootOf(string node) =>
        $"/proc/{File.ReadAllText(Path.Combine(Folder, node, "pid")).Split(' ')[1].Trim()}/root";

    /// <summary>Runs kubectl; throws when it fails.</summary>
    public Task<string> KubectlAsync(params string[] arguments) =>
        RunAsync(TimeSpan.FromMinutes(6), ["kubectl", _name, .. arguments]);

    /// <summary>Runs a command as a user of the cluster does: kubectl and the plug-ins are in PATH.</summary>
    public Task<Said> SayAsync(params string[] command) =>
        SayAsync(_environment, TimeSpan.FromMinutes(10), ["user", _name, .. command]);

    /// <summary>Applies a manifest.</summary>
    public async Task ApplyAsync(string yaml)
    {
        var file = Path.Combine(Folder, "run", $"{Guid.NewGuid():N}.yaml");
        await File.WriteAllTextAsync(file, yaml);
        await KubectlAsync("apply", "-f", file);
    }

    /// <summary>Applies a file of the repository, with words of it replaced.</summary>
    public async Task ApplyFileAsync(string path, params (string From, string To)[] words) =>
        await ApplyAsync(words.Aggregate(
            await File.ReadAllTextAsync(Path.Combine(RepositoryRoot(), path)),
            (text, word) => text.Contains(word.From, StringComparison.Ordinal)
                ? text.Replace(word.From, word.To, StringComparison.Ordinal)
                : throw new InvalidOperationException($"{path} has no \"{word.From}\"")));

    /// <summary>kubectl get with a JSON path.</summary>
    public Task<string> GetAsync(string resource, string name, string path) =>
        KubectlAsync("get", resource, name, "-o", $"jsonpath={path}");

    /// <summary>Waits until what kubectl prints satisfies a condition.</summary>
    public async Task<string> UntilAsync(Func<string, bool> done, params string[] arguments)
    {
        var watch = Stopwatch.StartNew();
        var last = "";
        while (watch.Elapsed < Patience)
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
        while (watch.Elapsed < Patience)
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
                .SelectMany(WholeLines)
                .Select(line => line.Split(' ', 4))
                .Where(parts => parts.Length == 4)
                .Select(parts => parts[3])];
    }

    /// <summary>The numbers behind a word in a container's log.</summary>
    public IReadOnlyList<long> Numbers(string node, string podPrefix, string container, string word) =>
        [.. Log(node, podPrefix, container)
            .Where(l => l.StartsWith(word + "=", StringComparison.Ordinal))
            .Select(l => long.Parse(l[(word.Length + 1)..].Split(' ')[0], CultureInfo.InvariantCulture))];

    /// <summary>The lines of a file that somebody may be writing: the last one may not be whole yet.</summary>
    public static IEnumerable<string> WholeLines(string file) => File.ReadAllText(file).Split('\n')[..^1];

    /// <summary>Kills a process of the cluster, without mercy.</summary>
    public Task KillAsync(string process) => RunAsync(TimeSpan.FromMinutes(2), "kill", _name, process);

    /// <summary>Has a process of the cluster stand still, as one does that nobody gives time.</summary>
    public Task PauseAsync(string process) => RunAsync(TimeSpan.FromMinutes(2), "pause", _name, process);

    /// <summary>Has a process go on that stands still.</summary>
    public Task ResumeAsync(string process) => RunAsync(TimeSpan.FromMinutes(2), "resume", _name, process);

    /// <summary>Runs a shell command on a node.</summary>
    public Task<string> OnNodeAsync(string node, string command) =>
        RunAsync(TimeSpan.FromMinutes(5), "node", _name, node, "sh", "-c", command);

    /// <summary>Starts a killed process again: etcd, apiserver, operator, or agent with the node.</summary>
    public Task StartProcessAsync(params string[] process) =>
        RunAsync(TimeSpan.FromMinutes(2), ["start", _name, .. process]);

    /// <summary>Makes the pods of our DaemonSet and Deployment, as a whole cluster's controllers do, and
    /// waits until they are ready.</summary>
    public Task StartWorkloadsAsync() => RunAsync(TimeSpan.FromMinutes(8), "start", _name, "workloads");

    /// <summary>Removes those pods, as a whole cluster's garbage collector does.</summary>
    public Task StopWorkloadsAsync() => RunAsync(TimeSpan.FromMinutes(2), "stop", _name);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await RunAsync(TimeSpan.FromMinutes(5), "down", _name);

    /// <summary>What each part has said last, for whoever reads of a failure and has not its machine.</summary>
    public Task<string> TailsAsync() => RunAsync(TimeSpan.FromMinutes(2), "tails", _name);

    private static async Task<LocalCluster> BringUpAsync(
        string command, string name, (string Name, string Value)[] environment)
    {
        try
        {
            // One that fails shows its logs and takes the cluster down itself.
            await RunAsync(environment, TimeSpan.FromMinutes(30), [command, name]);
        }
        catch (TimeoutException exception)
        {
            var tails = await SayAsync(environment, TimeSpan.FromMinutes(2), ["tails", name]);
            await SayAsync(environment, TimeSpan.FromMinutes(2), ["down", name]);
            throw new TimeoutException($"{exception.Message}\n{tails.Output}", exception);
        }

        return new LocalCluster(
            name, (await RunAsync(environment, TimeSpan.FromMinutes(2), ["dir", name])).Trim(), environment);
    }

    private static string RepositoryRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "PodCheckpointing.sln")))
        {
            folder = Path.GetDirectoryName(folder)
                ?? throw new InvalidOperationException("no PodCheckpointing.sln above the program");
        }

        return folder;
    }

    private Task<string> RunAsync(TimeSpan limit, params string[] arguments) =>
        RunAsync(_environment, limit, arguments);

    private static async Task<string> RunAsync(
        (string Name, string Value)[] environment, TimeSpan limit, string[] arguments)
    {
        var said = await SayAsync(environment, limit, arguments);
        return said.Code == 0
            ? said.Output
            : throw new InvalidOperationException(
                $"{Path.GetFileName(Script)} {string.Join(' ', arguments)}: {said.Output}{said.Error}");
    }

    private static async Task<Said> SayAsync(
        (string Name, string Value)[] environment, TimeSpan limit, string[] arguments)
    {
        var start =
            new ProcessStartInfo(Script, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        // Should this process die, the next cluster to come up takes this one down.
        start.Environment["POD_CHECKPOINTING_OWNER"] = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        using var deadline = new CancellationTokenSource(limit);
        var output = process.StandardOutput.ReadToEndAsync(deadline.Token);
        var errors = process.StandardError.ReadToEndAsync(deadline.Token);
        try
        {
            await process.WaitForExitAsync(deadline.Token);
            return new Said(process.ExitCode, await output, await errors);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{Path.GetFileName(Script)} {string.Join(' ', arguments)} took over {limit}");
        }
    }

    /// <summary>What a command said, and its exit code.</summary>
    public sealed record Said(int Code, string Output, string Error);
}
