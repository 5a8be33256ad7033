using System.Net;
using FluentAssertions;
using k8s;
using k8s.Models;
using Microsoft.Extensions.DependencyInjection;
using NUnit.Framework;
using PodCheckpointing.Kubectl;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Runtime;
using PodCheckpointing.TestKit;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Unit.KubernetesClient;

/// <summary>What the client asks for, and what it makes of a line that is slow or breaks; with a real
/// server see the component tests.</summary>
internal sealed class ClientTests
{
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly HandTime _time = new();

    [TestCase("")]
    [TestCase(".")]
    [TestCase("..")]
    public async Task Asks_for_no_object_whose_name_would_lead_elsewhere(string name)
    {
        using var line = new Line((_, _) => throw new InvalidOperationException("nothing may be asked for"));
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
        using var line =
            new Line((_, _) => Task.FromResult(new HttpResponseMessage { Content = new StreamContent(new Broken()) }));
        using var client = Client(line);

        await client.Awaiting(c => c.GetAsync<V1Pod>("shop", "web", None))
            .Should().ThrowAsync<HttpRequestException>().WithMessage("the line is cut*");
    }

    [Test]
    public async Task Waits_for_an_answer_as_long_as_it_was_told_to()
    {
        var deadline = None;
        using var line = new Line(async (_, token) =>
        {
            deadline = token;
            await Task.Delay(Timeout.InfiniteTimeSpan, token);
            throw new InvalidOperationException("no answer comes");
        });
        var patience = TimeSpan.FromSeconds(45);
        using var client = new PatientKubernetes(Client(line, patience), patience);

        var answer = client.GetAsync<V1Pod>("shop", "web", None);
        _time.Advance(TimeSpan.FromSeconds(44));
        deadline.CanBeCanceled.Should().BeTrue("the request is on its way");
        deadline.IsCancellationRequested.Should().BeFalse("a second is left");
        _time.Advance(TimeSpan.FromSeconds(1));

        (await answer.Awaiting(a => a.WaitAsync(Wait.Patience)).Should().ThrowAsync<CommandException>())
            .WithMessage("the API server did not answer within 45.0s (--request-timeout)").Which.ExitCode
            .Should().Be(ExitCode.TimedOut);
    }

    [TestCase("new", "new", 2)]
    [TestCase("other", "new", 2)]
    [TestCase("old", "new", 1)]
    public async Task Asks_once_more_with_another_token_when_one_is_refused(
        string second, string accepted, int requests)
    {
        var seen = new List<string>();
        using var line = new Line(async (request, token) =>
        {
            seen.Add($"{request.Headers.Authorization!.Parameter} {await request.Content!.ReadAsStringAsync(token)}");
            return request.Headers.Authorization.Parameter == accepted
                ? new HttpResponseMessage { Content = new StringContent("""{"metadata":{"name":"web"}}""") }
                : new HttpResponseMessage(HttpStatusCode.Unauthorized) { Content = new StringContent(
                    """{"reason":"Unauthorized"}""") };
        });
        using var client = Client(line, tokens: new Tokens(second));
        var creating = () => client.CreateAsync(
            new V1Pod { Metadata = new V1ObjectMeta { Name = "web", NamespaceProperty = "shop" } }, None);

        if (second == accepted)
        {
            (await creating()).Metadata.Name.Should().Be("web");
        }
        else
        {
            (await creating.Should().ThrowAsync<KubernetesException>()).Which.Code
                .Should().Be(HttpStatusCode.Unauthorized);
        }

        seen.Should().HaveCount(requests);
        seen[0].Should().StartWith("old {");
        seen[^1].Should().Be(second + seen[0]["old".Length..], "the whole request is sent again");
    }

    [Test]
    public async Task Only_tries_what_is_to_be_tried()
    {
        var seen = new List<string>();
        using var line = new Line(async (request, token) =>
        {
            seen.Add(
                $"{request.Method} {request.RequestUri!.PathAndQuery} "
                    + $"{await request.Content!.ReadAsStringAsync(token)}");
            return seen.Count == 1
                ? new HttpResponseMessage(HttpStatusCode.Created) { Content = new StringContent(
                    """{"metadata":{"name":"web"}}""") }
                : new HttpResponseMessage(HttpStatusCode.Conflict) { Content = new StringContent(
                    """{"reason":"AlreadyExists"}""") };
        });
        using var client = Client(line);
        using var services = new ServiceCollection().BuildServiceProvider();
        var cluster = new Cluster(services, client, "test", new SoleLeader());
        var pod = new V1Pod
        {
            Metadata = new V1ObjectMeta { Name = "web", NamespaceProperty = "shop" },
            Spec = new V1PodSpec { NodeName = "a", Containers = [new V1Container { Name = "c" }] },
        };

        await cluster.TryCreateAsync(pod, None);
        await cluster.TryCreateAsync(pod, None);

        seen.Should().HaveCount(2).And.OnlyContain(s => s.StartsWith("POST /api/v1/namespaces/shop/pods?dryRun=All "));
        seen[0].Should().Contain("\"kind\":\"Pod\"").And.Contain("\"nodeName\":\"a\"").And.Contain("\"name\":\"web\"");
    }

    private Kubernetes Client(HttpMessageHandler line, TimeSpan? patience = null, ITokenSource? tokens = null) => new(
        new KubernetesClientConfiguration { Host = new Uri("http://server"), TokenSource = tokens },
        patience ?? TimeSpan.FromSeconds(30), line, _time);

    private sealed class Tokens(string second) : ITokenSource
    {
        public string? Read(string? refused) => refused is null ? "old" : second;
    }

    private sealed class Line(
        Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> answer) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken) =>
            answer(request, cancellationToken);
    }

    /// <summary>Half an answer.</summary>
    private sealed class Broken : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            ValueTask.FromException<int>(new HttpIOException(HttpRequestError.ResponseEnded, "the line is cut"));
    }
}
