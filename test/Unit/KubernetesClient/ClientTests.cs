using System.Net;
using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Kubectl;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Unit.KubernetesClient;

/// <summary>What the client asks for, and what it makes of a line that is slow or breaks; with a real server see the component tests.</summary>
internal sealed class ClientTests
{
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly HandTime _time = new();

    [TestCase("")]
    [TestCase(".")]
    [TestCase("..")]
    public async Task Asks_for_no_object_whose_name_would_lead_elsewhere(string name)
    {
        using var line = new Line(_ => throw new InvalidOperationException("nothing may be asked for"));
        using var client = Client(line);
        var pod = new V1Pod { Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = "shop" } };
        foreach (var call in new Func<Task>[]
        {
            () => client.GetAsync<V1Pod>("shop", name, None),
            () => client.GetAsync<V1Pod>(name, "web", None),
            () => client.ReplaceAsync(pod, subresource: null, None),
            () => client.PatchAsync<V1Pod>("shop", name, null, PatchType.Merge, "{}", "test", None),
            () => client.DeleteAsync<V1Pod>("shop", name, new V1DeleteOptions(), None),
        })
        {
            await call.Should().ThrowAsync<ArgumentException>();
        }
    }

    [Test]
    public async Task A_line_that_breaks_within_an_answer_is_a_line_that_broke()
    {
        using var line = new Line(_ => Task.FromResult(new HttpResponseMessage { Content = new StreamContent(new Broken()) }));
        using var client = Client(line);

        await client.Awaiting(c => c.GetAsync<V1Pod>("shop", "web", None)).Should().ThrowAsync<HttpRequestException>().WithMessage("the line is cut");
    }

    [Test]
    public async Task Waits_for_an_answer_as_long_as_it_was_told_to()
    {
        using var line = new Line(async token =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, token);
            throw new InvalidOperationException("no answer comes");
        });
        var patience = TimeSpan.FromSeconds(45);
        using var client = new PatientKubernetes(Client(line, patience), patience);

        var answer = client.GetAsync<V1Pod>("shop", "web", None);
        _time.Advance(TimeSpan.FromSeconds(44));
        answer.IsCompleted.Should().BeFalse();
        _time.Advance(TimeSpan.FromSeconds(1));

        (await answer.Awaiting(a => a.WaitAsync(TimeSpan.FromSeconds(20))).Should().ThrowAsync<CommandException>())
            .WithMessage("the API server did not answer within 45.0s (--request-timeout)").Which.ExitCode.Should().Be(ExitCode.TimedOut);
    }

    private Kubernetes Client(HttpMessageHandler line, TimeSpan? patience = null) => new(
        new KubernetesClientConfiguration { Host = new Uri("http://server") }, patience ?? TimeSpan.FromSeconds(30), line, _time);

    private sealed class Line(Func<CancellationToken, Task<HttpResponseMessage>> answer) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            answer(cancellationToken);
    }

    /// <summary>Half an answer.</summary>
    private sealed class Broken : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            ValueTask.FromException<int>(new HttpIOException(HttpRequestError.ResponseEnded, "the line is cut"));
    }
}
