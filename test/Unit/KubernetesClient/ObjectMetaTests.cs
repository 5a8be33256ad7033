using System.Text;
using System.Text.Json;
using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;

namespace PodCheckpointing.Unit.KubernetesClient;

public sealed class ObjectMetaTests
{
    [Test]
    public async Task Reads_over_who_has_written_which_field_and_keeps_what_else_it_does_not_know()
    {
        const string text =
            """{"name":"a","managedFields":[{"manager":"m","fieldsV1":{"f:spec":{"f:a":{}}}}],"selfLink":"/a","uid":"u"}""";
        var more = text.Replace("/a", new string('a', 100_000), StringComparison.Ordinal);

        var read = KubernetesJson.Deserialize<V1ObjectMeta>(text);
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(more));
        var piecemeal = await JsonSerializer.DeserializeAsync<V1ObjectMeta>(stream, KubernetesJson.Options);

        read.Uid.Should().Be("u", "what follows is read");
        read.More.Should().ContainKey("selfLink").And.HaveCount(1);
        piecemeal!.Uid.Should().Be("u");
        KubernetesJson.Serialize(read).Should().Be("""{"name":"a","uid":"u","selfLink":"/a"}""");
    }
}
