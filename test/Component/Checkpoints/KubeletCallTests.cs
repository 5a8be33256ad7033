using System.Net;
using System.Net.Sockets;
using System.Text;
using FluentAssertions;
using Grpc.Core;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Kubelet;
using PodCheckpointing.TestKit;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Component.Checkpoints;

/// <summary>A kubelet that goes away in the midst of a call: whether it had begun the dump nobody knows.</summary>
internal sealed class KubeletCallTests
{
    [Test]
    public async Task A_dump_is_asked_for_once_though_the_connection_ends_without_an_answer()
    {
        using var kubelet = new TcpListener(IPAddress.Loopback, 0);
        kubelet.Start();
        var asked = 0;
        using var over = new CancellationTokenSource();
        var serving = Task.Run(async () =>
        {
            while (!over.IsCancellationRequested)
            {
                using var connection = await kubelet.AcceptSocketAsync(over.Token);
                await ReadHeadAsync(connection);
                asked++;
                // In order, as by a process that exits: not a reset.
                connection.Shutdown(SocketShutdown.Send);
                while (await connection.ReceiveAsync(new byte[1024]) > 0)
                {
                }
            }
        });
        using var client = new KubeletClient(
            Options.Create(new AgentOptions { NodeName = "node", KubeletUrl = $"http://{kubelet.LocalEndpoint}" }),
            TimeProvider.System);

        (await FluentActions.Awaiting(() => client.CheckpointAsync("default", "web", "app", 0, CancellationToken.None))
            .Should().ThrowAsync<RpcException>()).Which.StatusCode.Should().Be(StatusCode.Unavailable);

        asked.Should().Be(1, "another call would dump a container that is being dumped");
        await over.CancelAsync();
        await FluentActions.Awaiting(() => serving).Should().ThrowAsync<OperationCanceledException>();
    }

    [Test]
    public async Task A_kubelet_that_is_not_there_yet_is_asked_again()
    {
        // Its port is taken, and nobody listens there.
        using var kubelet = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        kubelet.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var time = new HandTime();
        using var client = new KubeletClient(
            Options.Create(new AgentOptions { NodeName = "node", KubeletUrl = $"http://{kubelet.LocalEndPoint}" }),
            time);

        var call = client.CheckpointAsync("default", "web", "app", 0, CancellationToken.None);
        await Wait.UntilAsync(
            () => time.Callbacks.Count == 2, "it was refused: beside the deadline of the call it waits to ask again");
        kubelet.Listen();
        time.Advance(TimeSpan.FromSeconds(2));
        using var connection = await kubelet.AcceptAsync().WaitAsync(TimeSpan.FromMinutes(3));
        await ReadHeadAsync(connection);
        await connection.SendAsync(Encoding.ASCII.GetBytes(
            "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"items\":[\"/a.tar\"]}"));

        (await call).Should().Be("/a.tar");
    }

    private static async Task ReadHeadAsync(Socket connection)
    {
        var head = "";
        var bytes = new byte[4096];
        while (!head.Contains("\r\n\r\n", StringComparison.Ordinal))
        {
            head += Encoding.ASCII.GetString(bytes, 0, await connection.ReceiveAsync(bytes));
        }
    }
}
