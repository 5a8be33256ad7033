using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Google.Protobuf;

namespace PodCheckpointing.EndToEnd;

/// <summary>One span, as it was sent.</summary>
internal sealed record CollectedSpan(
    string Service, string TraceId, string SpanId, string ParentId, string Name, ulong Start, ulong End);

/// <summary>Takes spans by OTLP over HTTP, on every address of this machine.</summary>
internal sealed class TraceCollector : IDisposable
{
    private readonly HttpListener _listener;
    private readonly ConcurrentQueue<CollectedSpan> _spans = new();

    private TraceCollector(int port, HttpListener listener)
    {
        (Port, _listener) = (port, listener);
        _ = Task.Run(ServeAsync);
    }

    public int Port { get; }

    public IReadOnlyList<CollectedSpan> Of(string traceId) => [.. _spans.Where(s => s.TraceId == traceId)];

    /// <summary>On a port that is free: an HttpListener cannot choose one, and somebody may be quicker.</summary>
    public static TraceCollector Start()
    {
        for (var attempt = 1; ; attempt++)
        {
            var port = FreePort();
            var listener = new HttpListener { Prefixes = { $"http://*:{port}/" } };
            try
            {
                listener.Start();
                return new TraceCollector(port, listener);
            }
            catch (HttpListenerException) when (attempt < 10)
            {
                listener.Close();
            }
        }
    }

    public void Dispose() => _listener.Close();

    private async Task ServeAsync()
    {
        while (_listener.IsListening)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync();
            }
            catch (Exception) when (!_listener.IsListening)
            {
                return;
            }

            try
            {
                using var body = new MemoryStream();
                await context.Request.InputStream.CopyToAsync(body);
                Take(body.ToArray());
                context.Response.Close();
            }
            catch (Exception exception)
                when (exception is HttpListenerException or IOException or ObjectDisposedException)
            {
                // A sender that was killed in the midst of it; the others' spans are still to come.
                context.Response.Abort();
            }
        }
    }

    /// <summary>ExportTraceServiceRequest: resource_spans = 1 {resource = 1 {attributes = 1}, scope_spans = 2
    /// {spans = 2}}.</summary>
    private void Take(byte[] request)
    {
        foreach (var (_, resourceSpans) in Fields(request).Where(f => f.Number == 1))
        {
            var fields = Fields(resourceSpans).ToList();
            var service =
                fields.Where(f => f.Number == 1).SelectMany(r => Fields(r.Value)).Where(f => f.Number == 1)
                    .Select(a => Fields(a.Value).ToList())
                    .Where(a => Text(a, 1) == "service.name")
                    .Select(a => Text([.. Fields(a.Single(f => f.Number == 2).Value)], 1))
                    .First();
            foreach (var (_, span) in fields.Where(f => f.Number == 2)
                .SelectMany(s => Fields(s.Value))
                .Where(f => f.Number == 2))
            {
                var s = Fields(span).ToList();
                _spans.Enqueue(new CollectedSpan(
                    service, Hex(s, 1), Hex(s, 2), Hex(s, 4), Text(s, 5), Fixed(s, 7), Fixed(s, 8)));
            }
        }
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Any, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    private static string Hex(List<(int Number, byte[] Value)> fields, int number) =>
        Convert.ToHexStringLower(fields.Where(f => f.Number == number).Select(f => f.Value).FirstOrDefault() ?? []);

    private static string Text(List<(int Number, byte[] Value)> fields, int number) =>
        System.Text.Encoding.UTF8.GetString(
            fields.Where(f => f.Number == number).Select(f => f.Value).FirstOrDefault() ?? []);

    private static ulong Fixed(List<(int Number, byte[] Value)> fields, int number) =>
        BitConverter.ToUInt64(fields.Single(f => f.Number == number).Value);

    /// <summary>The fields of a message: bytes of what has a length, eight bytes of what is
    /// fixed, nothing of the rest.</summary>
    private static IEnumerable<(int Number, byte[] Value)> Fields(byte[] message)
    {
        using var input = new CodedInputStream(message);
        uint tag;
        while ((tag = input.ReadTag()) != 0)
        {
            switch (WireFormat.GetTagWireType(tag))
            {
                case WireFormat.WireType.LengthDelimited:
                    yield return (WireFormat.GetTagFieldNumber(tag), input.ReadBytes().ToByteArray());
                    break;
                case WireFormat.WireType.Fixed64:
                    yield return (WireFormat.GetTagFieldNumber(tag), BitConverter.GetBytes(input.ReadFixed64()));
                    break;
                default:
                    input.SkipLastField();
                    break;
            }
        }
    }
}
