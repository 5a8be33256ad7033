using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>Connections that go on (tcpPolicy Established), to a server that takes its address along. Each client
/// counts on one connection of its own: 1, 2, 3, … without gap, repeat or reconnect means that
/// nobody told it of the move.</summary>
[TestFixture]
public sealed class KeptConnectionTests : SharedBenchTests
{
    /// <summary>Tells each connection how many lines have come on it.</summary>
    private const string Server = """
        import socket, threading
        def serve(peer):
            with peer, peer.makefile("rw") as stream:
                for n, line in enumerate(stream, 1):
                    print(f"n={n}", flush=True)
                    stream.write(f"{n}\n")
                    stream.flush()
        server = socket.create_server(("0.0.0.0", 7000))
        print("listens", flush=True)
        while True:
            threading.Thread(target=serve, args=(server.accept()[0],)).start()
        """;

    /// <summary>Ends, and is started again with 1, when its connection is lost.</summary>
    private const string Client = """
        import socket, time
        with socket.create_connection(("ADDRESS", 7000)) as peer, peer.makefile("rw") as stream:
            n = 0
            while True:
                n += 1
                stream.write(f"{n}\n")
                stream.flush()
                answer = int(stream.readline())
                assert answer == n, answer
                print(f"n={n}", flush=True)
                time.sleep(0.02)
        """;

    private int _servers = 4;

    [TearDown]
    public async Task Nothing_is_left_on_the_nodes()
    {
        foreach (var node in new[] { "node-a", "node-b" })
        {
            (await Cluster.OnNodeAsync(node, "cd /etc/criu && head *"))
                .Should().Be("manage-cgroups=ignore\n", "of {0}", node);
            (await Cluster.OnNodeAsync(
                node,
                "iptables -t raw -S PREROUTING; ls -A /var/lib/pod-checkpointing/addresses 2>/dev/null | grep -v "
                    + "over || true"))
                .Trim().Should().Be("-P PREROUTING ACCEPT", "of {0}", node);
        }
    }

    [Test]
    public async Task Connections_go_on_from_everywhere()
    {
        var address = await StartServerAsync("keep");
        var clients = new[] { "node-a", "node-b" };
        foreach (var node in clients)
        {
            await Cluster.ApplyAsync(
                Pod($"client-{node}", Python("c", Client.Replace("ADDRESS", address, StringComparison.Ordinal)))
                    .Replace("nodeName: node-a", $"nodeName: {node}", StringComparison.Ordinal));
            await CountOnAsync(node, $"client-{node}", "c");
        }

        using var talk = await Talk.BeginAsync(address);
        await MigrateAsync("keep", "keep", "node-b", "Completed", "tcpPolicy: Established");

        await talk.GoesOnAsync();
        (await Cluster.GetAsync(
            "pod", await Cluster.GetAsync("podmigration", "keep", "{.status.restoredPodName}"), "{.status.podIP}"))
            .Should().Be(address);
        foreach (var node in clients)
        {
            var before = Cluster.Numbers(node, $"client-{node}", "c", "n").Count;
            await CountOnAsync(node, $"client-{node}", "c", before);
            var all = Cluster.Numbers(node, $"client-{node}", "c", "n");
            all.Should().Equal(Enumerable.Range(1, all.Count).Select(n => (long)n));
        }
    }

    [Test]
    public async Task A_restore_that_fails_leads_back_and_the_connection_goes_on_at_the_source()
    {
        var address = await StartServerAsync("back");
        using var talk = await Talk.BeginAsync(address);
        await WithoutRestoresAsync(() => MigrateAsync("back", "back", "node-b", "Failed", "tcpPolicy: Established"));

        (await Cluster.GetAsync("podmigration", "back", "{.status.message}")).Should().Contain("could not be restored");
        await talk.GoesOnAsync();
        await MigrateAsync("back", "forth", "node-b", "Completed", "tcpPolicy: Established");
        await talk.GoesOnAsync();
    }

    [Test]
    public async Task A_network_that_gives_another_address_leads_back_with_the_reason()
    {
        var address = await StartServerAsync("other");
        using var talk = await Talk.BeginAsync(address);
        await Cluster.OnNodeAsync("node-b", "cd /usr/lib/cni && mount --bind host-local bench-ipam");
        try
        {
            await MigrateAsync("other", "other", "node-b", "Failed", "tcpPolicy: Established");
        }
        finally
        {
            await Cluster.OnNodeAsync("node-b", "umount -l /usr/lib/cni/bench-ipam");
        }

        (await ReasonAsync("other")).Should().Be("AddressNotKept");
        (await Cluster.GetAsync("podmigration", "other", "{.status.message}"))
            .Should().Contain($"not the source's {address}");
        await talk.GoesOnAsync();
    }

    [Test]
    public async Task An_agent_that_is_killed_on_the_way_costs_no_connection()
    {
        var address = await StartServerAsync("agent");
        using var talk = await Talk.BeginAsync(address);
        await Cluster.ApplyAsync(Migration("agent", "agent", "node-b", "tcpPolicy: Established"));
        await Cluster.WaitAsync(
            "podmigration", "agent", "{.status.conditions[?(@.type==\"SourceFenced\")].status}", "True");
        await Cluster.KillAsync("agent-node-a");
        await Cluster.StartProcessAsync("agent", "node-a");
        await Cluster.WaitAsync("podmigration", "agent", "{.status.outcome}", "Restored", "RolledBack");

        await talk.GoesOnAsync();
    }

    [Test]
    public async Task A_pod_whose_address_is_the_networks_choice_is_refused_before_anything_is_done_to_it()
    {
        await Cluster.ApplyAsync(Pod("plain", Python("c", Server)));
        using var talk = await Talk.BeginAsync(await ListensAsync("plain"));
        await MigrateAsync("plain", "plain", "node-b", "Failed", "tcpPolicy: Established");

        (await ReasonAsync("plain")).Should().Be("AddressNotKept");
        (await Cluster.GetAsync("podmigration", "plain", "{.status.steps[*].name}")).Should().Be("Validate");
        await talk.GoesOnAsync();
    }

    private Task<string> ReasonAsync(string migration) =>
        Cluster.GetAsync("podmigration", migration, "{.status.conditions[?(@.type==\"RolledBack\")].reason}");

    /// <summary>A server with an address of its own, out of those that no node has.</summary>
    private async Task<string> StartServerAsync(string name)
    {
        var address = Cluster.OwnAddress(++_servers);
        var annotations = $"annotations: {{cni.projectcalico.org/ipAddrsNoIpam: '[\"{address}\"]'}}";
        await Cluster.ApplyAsync(
            Pod(name, Python("c", Server)).Replace(
                $"{{name: {name}}}", $"{{name: {name}, {annotations}}}", StringComparison.Ordinal));
        (await ListensAsync(name)).Should().Be(address);
        return address;
    }

    /// <summary>A client outside the cluster that never stops talking.</summary>
    private sealed class Talk : IDisposable
    {
        /// <summary>For all that is waited for while it talks.</summary>
        private static readonly TimeSpan Limit = TimeSpan.FromSeconds(600);
        private readonly CancellationTokenSource _deadline = new(Limit);
        private readonly LineClient _client;
        private readonly Task _talking;
        private long _answers;

        private Talk(LineClient client)
        {
            _client = client;
            _talking = Task.Run(TalkAsync);
        }

        public static async Task<Talk> BeginAsync(string address)
        {
            using var deadline = new CancellationTokenSource(Limit);
            var talk = new Talk(await LineClient.ConnectAsync(address, deadline.Token));
            await talk.GoesOnAsync();
            return talk;
        }

        /// <summary>Waits for more answers, on the same connection.</summary>
        public async Task GoesOnAsync()
        {
            var until = Interlocked.Read(ref _answers) + 5;
            while (Interlocked.Read(ref _answers) < until)
            {
                _talking.IsCompleted.Should().BeFalse("it goes on: {0}", _talking.Exception);
                await Task.Delay(50, _deadline.Token);
            }
        }

        public void Dispose()
        {
            _deadline.Cancel();
            _client.Dispose();
            _deadline.Dispose();
        }

        private async Task TalkAsync()
        {
            while (true)
            {
                var answer = await _client.SendAsync("x", _deadline.Token);
                answer.Should().Be(Interlocked.Increment(ref _answers));
                await Task.Delay(10, _deadline.Token);
            }
        }
    }
}
