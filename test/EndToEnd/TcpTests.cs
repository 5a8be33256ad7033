using System.Net.Sockets;
using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>Servers that move while clients outside are connected to them, under each tcpPolicy.</summary>
[TestFixture]
public sealed class TcpTests : SharedBenchTests
{
    /// <summary>For all of a test, which waits several times.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(400);

    /// <summary>The nodes' own CRIU options are as they were, whatever was migrated, refused or killed.</summary>
    [TearDown]
    public async Task The_nodes_CRIU_options_are_their_own()
    {
        foreach (var node in new[] { "node-a", "node-b" })
        {
            (await Cluster.OnNodeAsync(node, "cd /etc/criu && head *"))
                .Should().Be("manage-cgroups=ignore\n", "of {0}", node);
        }
    }

    [Test]
    public async Task Close_ends_the_connection_and_the_server_knows_after_the_next_one_what_it_knew()
    {
        using var deadline = new CancellationTokenSource(Limit);
        using var client = await ConnectAsync("close", deadline.Token);
        (await client.SendAsync("a", deadline.Token)).Should().Be(1);
        (await client.SendAsync("b", deadline.Token)).Should().Be(2);

        await MigrateAsync("close", "close", "node-b", "Completed", "tcpPolicy: Close");

        var send = async () => await client.SendAsync("lost", deadline.Token);
        await send.Should().ThrowAsync<IOException>("its other end is gone");
        using var next = await LineClient.ConnectAsync(await RestoredAddressAsync("close"), deadline.Token);
        (await next.SendAsync("c", deadline.Token)).Should().Be(3);
        // The answer is quicker than the log, which goes through the runtime's hands.
        while (!Cluster.Log("node-b", "close", "c").Contains("n=3 line=c"))
        {
            await Task.Delay(20, deadline.Token);
        }

        Cluster.Log("node-b", "close", "c").Should().NotContain(line => line.Contains("lost"));
    }

    [Test]
    public async Task Reject_says_so_by_name_and_leaves_the_connection_as_it_was()
    {
        using var deadline = new CancellationTokenSource(Limit);
        using var client = await ConnectAsync("reject", deadline.Token);
        (await client.SendAsync("a", deadline.Token)).Should().Be(1);

        await MigrateAsync("reject", "reject", "node-b", "Failed", "tcpPolicy: Reject");

        (await Cluster.GetAsync("podmigration", "reject", "{.status.conditions[?(@.type==\"RolledBack\")].reason}"))
            .Should().Be("EstablishedTcpConnections");
        (await Cluster.GetAsync("podmigration", "reject", "{.status.podCheckpointName}"))
            .Should().BeEmpty("nothing was begun");
        (await client.SendAsync("b", deadline.Token)).Should().Be(2);
        Cluster.Log("node-b", "reject", "c").Should().BeEmpty();
    }

    [Test]
    public async Task A_server_that_nobody_is_connected_to_goes_along_under_Reject()
    {
        using var deadline = new CancellationTokenSource(Limit);
        using (var client = await ConnectAsync("idle", deadline.Token))
        {
            (await client.SendAsync("a", deadline.Token)).Should().Be(1);
        }

        await MigrateAsync("idle", "idle", "node-b", "Completed", "tcpPolicy: Reject");

        using var next = await LineClient.ConnectAsync(await RestoredAddressAsync("idle"), deadline.Token);
        (await next.SendAsync("b", deadline.Token)).Should().Be(2);
    }

    [Test]
    public async Task Clients_that_try_again_are_answered_until_the_server_stops_and_from_when_it_goes_on()
    {
        using var deadline = new CancellationTokenSource(Limit);
        var address = await StartServerAsync("retry");
        using var moved = new CancellationTokenSource();
        var first = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var answers = Task.Run(() => TryAgainAsync(() => address, first, moved.Token, deadline.Token), deadline.Token);
        await first.Task.WaitAsync(deadline.Token);

        await MigrateAsync("retry", "retry", "node-b", "Completed");
        address = await RestoredAddressAsync("retry");
        await moved.CancelAsync();

        var (before, after, unanswered) = await answers;
        before.Should().NotBeEmpty().And.BeInAscendingOrder().And.OnlyHaveUniqueItems();
        // What was under way when the server stopped may have been counted and not
        // answered; nothing answered was forgotten.
        after[0].Should().BeInRange(before[^1] + 1, before[^1] + 1 + unanswered);
        after.Should().Equal(Enumerable.Range(0, after.Count).Select(i => after[0] + i));
    }

    /// <summary>One short connection after the other, to the server's address of the moment; and how many the server
    /// took between the last answer before and the first one after, without an answer.</summary>
    private static async Task<(List<long> Before, List<long> After, int Unanswered)> TryAgainAsync(
        Func<string> address, TaskCompletionSource first, CancellationToken moved, CancellationToken cancellationToken)
    {
        var (before, after, unanswered) = (new List<long>(), new List<long>(), 0);
        while (after.Count < 5)
        {
            var counts = moved.IsCancellationRequested ? after : before;
            using var attempt = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            // Where it moved from nobody answers any more; where it is, however slow the machine, somebody does.
            attempt.CancelAfter(TimeSpan.FromSeconds(moved.IsCancellationRequested ? 60 : 1));
            var connected = false;
            try
            {
                using var client = await LineClient.ConnectAsync(address(), attempt.Token);
                connected = true;
                counts.Add(await client.SendAsync("x", attempt.Token));
                unanswered = counts == before ? 0 : unanswered;
                first.TrySetResult();
            }
            catch (Exception exception) when (exception is IOException or SocketException or OperationCanceledException)
            {
                cancellationToken.ThrowIfCancellationRequested();
                unanswered += connected && after.Count == 0 ? 1 : 0;
            }
        }

        return (before, after, unanswered);
    }

    private async Task<LineClient> ConnectAsync(string pod, CancellationToken cancellationToken) =>
        await LineClient.ConnectAsync(await StartServerAsync(pod), cancellationToken);

    private async Task<string> StartServerAsync(string pod)
    {
        await Cluster.ApplyAsync(Pod(pod, Python("c", LineClient.Server)));
        await Cluster.KubectlAsync("wait", "--for=condition=Ready", "--timeout=180s", $"pod/{pod}");
        return await ListensAsync(pod);
    }

    private Task<string> AddressOfAsync(string pod) => Cluster.GetAsync("pod", pod, "{.status.podIP}");

    private async Task<string> RestoredAddressAsync(string migration) =>
        await AddressOfAsync(await Cluster.GetAsync("podmigration", migration, "{.status.restoredPodName}"));
}
