using System.Net;
using System.Net.Sockets;

namespace PodCheckpointing.Component.Images;

/// <summary>A TCP connection to a registry that breaks, once, after so many bytes have gone up.</summary>
internal sealed class Wire : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly string _target;
    private readonly long _limit;
    private readonly Action _action;
    private readonly CancellationTokenSource _end = new();
    private long _up;
    private int _broke;

    /// <param name="target">host:port</param>
    /// <param name="limit">How many bytes may go up.</param>
    /// <param name="action">What happens then, before the connection ends.</param>
    public Wire(string target, long limit, Action action)
    {
        (_target, _limit, _action) = (target, limit, action);
        _listener.Start();
        _ = AcceptAsync();
    }

    /// <summary>host:port of this end.</summary>
    public string Host => _listener.LocalEndpoint.ToString()!;

    /// <summary>Whether it has broken.</summary>
    public bool Broke => Volatile.Read(ref _broke) == 1;

    public void Dispose()
    {
        _end.Cancel();
        _listener.Dispose();
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _ = CarryAsync(await _listener.AcceptTcpClientAsync(_end.Token));
            }
        }
        catch (Exception exception)
            when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task CarryAsync(TcpClient client)
    {
        using (client)
        using (var server = new TcpClient())
        {
            try
            {
                var parts = _target.Split(':');
                await server.ConnectAsync(parts[0], int.Parse(parts[1], null), _end.Token);
                await Task.WhenAny(UpAsync(client.GetStream(), server.GetStream()), server.GetStream().CopyToAsync(
                    client.GetStream(), _end.Token));
            }
            catch (Exception exception) when (exception is IOException or SocketException or OperationCanceledException)
            {
                // As wires end.
            }
        }
    }

    private async Task UpAsync(NetworkStream from, NetworkStream to)
    {
        var buffer = new byte[4096];
        while (await from.ReadAsync(buffer, _end.Token) is > 0 and var read)
        {
            await to.WriteAsync(buffer.AsMemory(0, read), _end.Token);
            if (Interlocked.Add(ref _up, read) > _limit && Interlocked.Exchange(ref _broke, 1) == 0)
            {
                _action();
                return;
            }
        }
    }
}
