using System.Globalization;
using System.Net.Sockets;

namespace PodCheckpointing.EndToEnd;

/// <summary>A client of a server that counts: sends a line, and gets the count of all
/// lines that the server has had.</summary>
internal sealed class LineClient : IDisposable
{
    private readonly TcpClient _connection;
    private readonly StreamReader _reader;
    private readonly StreamWriter _writer;

    private LineClient(TcpClient connection)
    {
        _connection = connection;
        _reader = new StreamReader(connection.GetStream());
        _writer = new StreamWriter(connection.GetStream()) { AutoFlush = true, NewLine = "\n" };
    }

    /// <summary>The server, as a container's Python program: one connection after the other.</summary>
    public const string Server = """
        import socket
        server = socket.create_server(("0.0.0.0", 7000))
        print("listens", flush=True)
        n = 0
        while True:
            peer, _ = server.accept()
            try:
                with peer, peer.makefile("rw") as stream:
                    for line in stream:
                        n += 1
                        print(f"n={n} line={line.strip()}", flush=True)
                        stream.write(f"{n}\n")
                        stream.flush()
            except OSError as error:
                print(f"closed: {error}", flush=True)
        """;

    public static async Task<LineClient> ConnectAsync(string address, CancellationToken cancellationToken)
    {
        var connection = new TcpClient();
        try
        {
            await connection.ConnectAsync(address, 7000, cancellationToken);
            return new LineClient(connection);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Sends a line and returns the server's count.</summary>
    /// <exception cref="IOException">The connection is closed.</exception>
    public async Task<long> SendAsync(string line, CancellationToken cancellationToken)
    {
        await _writer.WriteLineAsync(line.AsMemory(), cancellationToken);
        return await _reader.ReadLineAsync(cancellationToken) is { } answer
            ? long.Parse(answer, CultureInfo.InvariantCulture)
            : throw new IOException("the server has closed the connection");
    }

    public void Dispose()
    {
        _reader.Dispose();
        _writer.Dispose();
        _connection.Dispose();
    }
}
