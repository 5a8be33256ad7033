using System.Diagnostics;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Generate;

namespace PodCheckpointing.Component.Restores;

/// <summary>The restore handler, called as a runtime calls it, over a crun that only takes notes.</summary>
internal sealed class Handler : IDisposable
{
    // "restore" leaves a stopped process behind, as crun does with leave-stopped.
    private const string Crun = """
        #!/bin/sh
        here=$(dirname "$0")
        echo "$*" >>"$here/calls"
        case " $* " in
          *" restore "*)
            # As crun does: the record is begun before CRIU is asked, and left when that fails.
            for id in "$@"; do :; done
            [ ! -e "$here/crun/$id/config.json" ] || { echo "container $id already exists" >&2; exit 1; }
            mkdir -p "$here/crun/$id"
            cp "$here/bundle/config.json" "$here/crun/$id/"
            [ ! -e "$here/broken" ] || exit 1
            cp "$here/bundle/config.json" "$here/seen.json"
            while read -r line; do
              case $line in lazy-pages) echo lazy >>"$here/calls"; [ ! -e "$here/broken-lazy" ] || exit 1 ;; esac
            done <"$(sed -n 's/.*"org.criu.config":"\([^"]*\)".*/\1/p' "$here/bundle/config.json")"
            # Names may look like states.
            if [ -e "$here/runs" ]; then
              ln -s "$(command -v sleep)" "$here/web) T (x"
              "$here/web) T (x" 1000 </dev/null >/dev/null 2>&1 &
              echo $! | tee "$here/first" >>"$here/cgroups/$(cat "$here/runs")/cgroup.procs"
            else
              ln -sf /bin/sh "$here/web) R (x"
              "$here/web) R (x" -c 'kill -STOP $$; exec sleep 1000' </dev/null >/dev/null 2>&1 &
              until grep -q '^State:.T' "/proc/$!/status"; do :; done
            fi
            if [ -e "$here/fails-late" ]; then
              echo $! | tee "$here/first" >>"$here/cgroups/$(cat "$here/fails-late")/cgroup.procs"
              mkdir -p "$here/bundle/criu-root"
              echo '{"msg": "no seccomp here"}' >>"$here/log.json"
              exit 1
            fi
            [ ! -e "$here/status" ] || cp "$here/status" "$here/crun/$id/"
            if [ -e "$here/busy-root" ]; then
              # All is restored, and then it cannot take its own mount away.
              cgroup=$(cat "$here/busy-root")
              rm "$here/busy-root"
              echo $! | tee "$here/first" >>"$here/cgroups/$cgroup/cgroup.procs"
              echo '{"msg": "error unmounting restore directory `criu-root`: Device or resource busy"}' >>"$here/log.json"
              exit 1
            fi
            while [ $# -gt 0 ]; do [ "$1" = --pid-file ] && echo $! >"$2"; shift; done ;;
          *" state "*) [ ! -e "$here/broken" ] || exit 7; printf '{\n  "status": "running"\n}\n' ;;
        esac
        """;

    private const string Annotation = "io.kubernetes.cri-o.checkpoint-restore";

    // "lazy-pages" listens until the test says how it ends.
    private const string Criu = """
        #!/bin/sh
        here=$(dirname "$0")
        echo "criu $*" >>"$here/calls"
        [ ! -e "$here/no-daemon" ] || exit 3
        while [ "$1" != --work-dir ]; do shift; done
        exec python3 -c '
        import os, socket, sys, time
        here, folder = sys.argv[1:]
        os.chdir(folder)
        daemon = socket.socket(socket.AF_UNIX)
        daemon.bind("lazy-pages.socket")
        # Also when the test is over, and its folder gone.
        def wait_for(name):
            while os.path.isdir(here) and not os.path.exists(f"{here}/{name}"):
                time.sleep(0.01)
        if os.path.exists(f"{here}/listens-late"):
            wait_for("listen")
        daemon.listen()
        wait_for("daemon-ends")
        sys.exit(int(open(f"{here}/daemon-ends").read()))
        ' "$here" "$2"
        """;

    // The units that are named to it.
    private const string Systemctl = """
        #!/bin/sh
        echo "systemctl $*" >>"$(dirname "$0")/../calls"
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("pod-checkpointing-handler").FullName;

    /// <summary>How often it has paused between two looks for the daemon since <see cref="WatchPauses"/>.</summary>
    public int Pauses => File.Exists(In("pauses")) ? File.ReadLines(In("pauses")).Count(pause => pause == "0.005") : 0;

    public Handler()
    {
        foreach (var folder in new[]
        {
            Bundle, Root, In("state"), In("crun/c1"), In("cgroups/freezer"), In("cgroups/pids"), In("bin"),
        })
        {
            Directory.CreateDirectory(folder);
        }

        foreach (var hierarchy in new[] { "freezer", "pids" })
        {
            File.WriteAllText(In($"cgroups/{hierarchy}/cgroup.procs"), "");
        }

        File.WriteAllText(In("memberships"), "1:freezer:/\n");
        foreach (var (name, script) in new[] { ("crun.sh", Crun), ("criu.sh", Criu), ("bin/systemctl", Systemctl) })
        {
            File.WriteAllText(In(name), script);
            File.SetUnixFileMode(In(name), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        File.WriteAllText(In("calls"), "");
    }

    /// <summary>What /bin/sh is: dash, unless a test says otherwise.</summary>
    public string[] Shell { get; set; } = ["/bin/sh"];

    public string Locale { get; set; } = "C";

    /// <summary>In how many seconds it gives up: only a test of that waits for it.</summary>
    public int Deadline { get; set; } = 120;

    public string Bundle => In("bundle");

    public string Root => In("bundle/rootfs");

    /// <summary>What crun was asked, one call a line.</summary>
    public string[] Calls => File.ReadAllLines(In("calls"));

    public string ErrorLog => File.Exists(In("log.json")) ? File.ReadAllText(In("log.json")) : "";

    public int Pid => int.Parse(File.ReadAllText(In("pid")), null);

    /// <summary>Whether a process stands still.</summary>
    public static bool IsStopped(int pid)
    {
        var stat = File.ReadAllText($"/proc/{pid}/stat");
        return stat[stat.LastIndexOf(')') + 2] == 'T';
    }

    public string In(string name) => Path.Combine(_folder, name);

    /// <summary>The folder in which the agent stages for a container.</summary>
    public string Staging(string uid, string container) =>
        Directory.CreateDirectory(In($"state/restores/{uid}/{container}")).FullName;

    /// <summary>What the agent leaves when it has staged an artifact, one of a pod's several perhaps.</summary>
    public string Stage(string uid, string container, bool go = true, params string[] others)
    {
        var folder = Staging(uid, container);
        File.WriteAllLines(Path.Combine(folder, "../members"), [container, .. others]);
        if (go)
        {
            Go(uid);
        }

        RootfsChanges.Prepare(folder);
        File.WriteAllText(Path.Combine(folder, "criu.conf"), "leave-stopped\n");
        File.WriteAllText(Path.Combine(folder, "staged"), "shared://u/c/x/dump.tar.zst\n");
        return folder;
    }

    /// <summary>What the runtime has made for a container.</summary>
    public void GivenBundle(
        bool crio = false, string uid = "u1", string name = "app", string type = "container", int restarts = 0,
        string artifact = "shared://u0/c0", string cgroup = "/pods/c1", params string[] more)
    {
        (string Key, string Value)[] facts = crio
            ? [("io.kubernetes.cri-o.ContainerType", type), (
                "io.kubernetes.pod.uid", uid), ("io.kubernetes.container.name", name)]
            : [("io.kubernetes.cri.container-type", type), (
                "io.kubernetes.cri.sandbox-uid", uid), ("io.kubernetes.cri.container-name", name)];
        IEnumerable<string> annotations =
        [
            .. facts.Append((Key: Annotation, Value: artifact))
                .Append((Key: "io.kubernetes.container.restartCount", Value: $"{restarts}"))
                .Select(fact => $"\"{fact.Key}\": \"{fact.Value}\""),
            .. more,
        ];
        var config = """
            {"process": {"env": ["A=\"root\": {\"path\": \"/etc\"}"]}, "root": {"path": "rootfs"}, "annotations": { ANNOTATIONS }, "linux": {"cgroupsPath": "CGROUP", "namespaces": [{"type": "pid"}]}}
            """.Replace("ANNOTATIONS", string.Join(", ", annotations)).Replace("CGROUP", cgroup);
        File.WriteAllText(
            Path.Combine(Bundle, "config.json"),
            crio ? config.Replace("{\"", "{\n\t\"").Replace(", ", ",\n\t\t").Replace("{ ", "{\n\t\t") : config);
    }

    /// <summary>A cgroup that systemd makes, which is known when crun has restored; the
    /// handler is called in "/conmon".</summary>
    public string GivenSystemd()
    {
        Directory.CreateDirectory(In("cgroups/freezer/conmon"));
        File.WriteAllText(In("cgroups/freezer/conmon/cgroup.procs"), "");
        File.WriteAllText(In("memberships"), "3:cpu,cpuacct:/elsewhere\n1:freezer:/conmon\n");
        File.WriteAllText(In("status"), """{ "cgroup-path": "\/kubepods.slice\/crio-c1.scope" }""");
        return "kubepods.slice:crio:c1";
    }

    /// <summary>The agent's leave to run.</summary>
    public void Go(string uid) => File.WriteAllText(In($"state/restores/{uid}/go"), "\n");

    /// <summary>Has it write down its pauses.</summary>
    public void WatchPauses()
    {
        var sleep = Path.Combine(Directory.CreateDirectory(In("bin")).FullName, "sleep");
        File.WriteAllText(sleep, $"#!/bin/sh\necho \"$1\" >>{In("pauses")}\nPATH=${{PATH#*:}} exec sleep \"$@\"\n");
        File.SetUnixFileMode(sleep, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    public void BreakCrun() => File.WriteAllText(In("broken"), "");

    public Task<(int Code, string Output)> CreateAsync(string id = "c1") =>
        RunAsync("--root", In("crun"), "--log", In("log.json"), "--log-format", "json", "--systemd-cgroup",
            "create", "--bundle", Bundle, "--pid-file", In("pid"), id);

    public async Task<(int Code, string Output)> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo(Shell[0], [.. Shell[1..], Path.Combine(
            Repository.Root(AppContext.BaseDirectory), "agent/Restores/Handler/checkpoint-restore"), .. arguments])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment["LC_ALL"] = Locale;
        start.Environment["PATH"] = $"{In("bin")}:{Environment.GetEnvironmentVariable("PATH")}";
        start.Environment["POD_CHECKPOINTING_STATE"] = In("state");
        start.Environment["POD_CHECKPOINTING_CRUN"] = In("crun.sh");
        start.Environment["POD_CHECKPOINTING_CRIU"] = In("criu.sh");
        start.Environment["POD_CHECKPOINTING_CGROUPS"] = In("cgroups");
        start.Environment["POD_CHECKPOINTING_MEMBERSHIPS"] = In("memberships");
        start.Environment["POD_CHECKPOINTING_RESTORE_DEADLINE"] = $"{Deadline}";
        using var process = Process.Start(start)!;
        var said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, said[0] + said[1]);
    }

    public void Dispose()
    {
        if (File.Exists(In("pid")))
        {
            try
            {
                Process.GetProcessById(Pid).Kill();
            }
            catch (ArgumentException)
            {
                // Gone already, as a failed create leaves it.
            }
        }

        Directory.Delete(_folder, recursive: true);
    }
}
