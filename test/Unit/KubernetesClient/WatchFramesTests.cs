using System.Buffers;
using System.Text;
using System.Text.Json;
using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;

namespace PodCheckpointing.Unit.KubernetesClient;

public sealed class WatchFramesTests
{
    private const string Added =
        """{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"ä","resourceVersion":"7"}}}""";
    private const string Bookmark =
        """{"object":{"metadata":{"resourceVersion":"9"}},"future":[1],"type":"BOOKMARK"}""";

    [TestCase(1)]
    [TestCase(7)]
    [TestCase(100_000)]
    public async Task Reads_events_in_whatever_pieces_they_come(int piece)
    {
        var large = Added.Replace("Pod", new string('p', 50_000), StringComparison.Ordinal);
        using var stream = new Pieces(piece, $"{Added}\n{Bookmark}\n{large}\n{Added}");

        var events = new List<WatchEvent<V1Pod>>();
        await foreach (var change in WatchFrames.ReadAsync<V1Pod>(stream, CancellationToken.None))
        {
            events.Add(change);
        }

        events.Select(e => (e.Type, e.Item.Metadata.Name, e.Item.Metadata.ResourceVersion)).Should().Equal(
            (WatchEventType.Added, "ä", "7"), (WatchEventType.Bookmark, null, "9"), (WatchEventType.Added, "ä", "7"),
            (WatchEventType.Added, "ä", "7"));
        events[2].Item.Kind.Should().HaveLength(50_000);
    }

    [Test]
    public void An_error_is_the_servers_own()
    {
        var parse = () => Parse(
            """{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}""");

        parse.Should().Throw<KubernetesException>().Where(e => e.IsGone);
    }

    [TestCase("""{"type":"ADDED"}""")]
    [TestCase("""{"object":{}}""")]
    [TestCase("""{"type":"ADDED","object":{"metadata":{"name":"a"}""")]
    [TestCase("not JSON")]
    public void What_is_no_event_is_refused(string line) => line.Invoking(Parse).Should().Throw<JsonException>();

    [Test]
    public void What_many_objects_have_alike_is_kept_once()
    {
        const string text = """
            {"metadata":{"name":"NAME","labels":{"app.kubernetes.io/name":"web"}},"spec":{"nodeName":"node-a","tolerations":[{"key":"k"}],"x":null},
             "status":{"conditions":[{"type":"Ready","status":"True"}]}}
            """;
        V1Pod Read(string name) =>
            KubernetesJson.Deserialize<V1Pod>(text.Replace("NAME", name, StringComparison.Ordinal));
        var (a, b) = (Read("a"), Read("b"));

        a.Spec.NodeName.Should().BeSameAs(b.Spec.NodeName);
        a.Status!.Conditions![0].Type.Should().BeSameAs(b.Status!.Conditions![0].Type);
        a.Metadata.Labels!.Keys.Single().Should().BeSameAs(b.Metadata.Labels!.Keys.Single());
        a.Spec.More!["tolerations"].Should().Be(b.Spec.More!["tolerations"], "it is the same document");
        a.Spec.More["x"].ValueKind.Should().Be(JsonValueKind.Null);
        (a.Metadata.Name, b.Metadata.Name).Should().Be(("a", "b"));
        KubernetesJson.Serialize(KubernetesJson.Deserialize<V1Pod>(KubernetesJson.Serialize(a)))
            .Should().Be(KubernetesJson.Serialize(a));
    }

    [Test]
    public void Texts_are_read_as_they_are_whatever_was_read_before()
    {
        string[] texts = ["", "a", "b", "é", "\"\\\n\u0001", "😀", new(
            'x', 64), new('x', 65), .. Enumerable.Range(0, 20_000).Select(n => $"t{n}")];
        foreach (var text in texts.Concat(texts))
        {
            KubernetesJson.Deserialize<string>(JsonSerializer.Serialize(text)).Should().Be(text);
        }
    }

    private static WatchEvent<V1Pod> Parse(string line) =>
        WatchFrames.Parse<V1Pod>(new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(line)));

    /// <summary>Gives so many bytes at a time.</summary>
    private sealed class Pieces(int piece, string text) : MemoryStream(Encoding.UTF8.GetBytes(text))
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(piece, buffer.Length)], cancellationToken);
    }
}
