using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Reflection;
using FluentAssertions;
using Grpc.Core;
using Grpc.Net.Client;
using k8s;
using k8s.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using NUnit.Framework;
using PodCheckpointing.Agent.Metrics;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Component.Grpc;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.Metrics;
using PodCheckpointing.Runtime;
using PodCheckpointing.Runtime.Metrics;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Component.Metrics;

/// <summary>One migration is one trace, from the operator's runs through its calls over
/// mutual TLS into the agent.</summary>
internal sealed class TraceTests
{
    private const string Uid = "7f3a9c01-8f8e-4a54-9d0f-0123456789ab";
    private const string TraceId = "7f3a9c018f8e4a549d0f0123456789ab";
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(100);
    private readonly ConcurrentQueue<Activity> _ended = new();
    private readonly TestAuthority _authority = new();
    private ActivityListener _listener = null!;
    private WebApplication _app = null!;
    private GrpcChannel _channel = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name.StartsWith("PodCheckpointing.", StringComparison.Ordinal)
                || source.Name is "Grpc.Net.Client" or "Grpc.AspNetCore.Server",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = _ended.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
        var (certificate, key) = _authority.Issue("agent", AgentTls.AgentName);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(
            IPAddress.Loopback, 0, listen => listen.UseAgentTls(_authority.CaFile, certificate, key)));
        _app = builder.Build();
        new TracedAgent().Map(_app);
        await _app.StartAsync();
        var (own, ownKey) = _authority.Issue("operator", AgentTls.OperatorName);
        _channel = GrpcChannel.ForAddress(
            _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single(),
            new GrpcChannelOptions { Tls = AgentTls.ForOperator(_authority.CaFile, own, ownKey) });
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        _channel.Dispose();
        await _app.DisposeAsync();
        _listener.Dispose();
        _authority.Dispose();
    }

    [SetUp]
    public void Forget() => _ended.Clear();

    [Test]
    public async Task A_migration_is_one_trace_across_operator_and_agent()
    {
        var cluster = DispatchProxy.Create<ICluster, FewObjects>();
        var traces = new MigrationTraces(cluster);
        var calls = new PendingCalls(TaskScheduler.Default, new SoleLeader(), CancellationToken.None);
        var client = new CheckpointServiceClient(_channel);
        var key = new ObjectKey("ns", "m");
        var woken = new TaskCompletionSource();
        var reconciler = traces.Around<ContainerCheckpoint>(new Scripted(() => calls.Ask(
            "checkpoint", t => client.CheckpointAsync(new CheckpointRequest { PodUid = "u" }, Deadline, t),
            woken.SetResult)));
        var migration = traces.Around<PodMigration>(new Scripted(() => { }));

        await migration.ReconcileAsync(key, default);
        await reconciler.ReconcileAsync(key, default);
        await woken.Task.WaitAsync(Deadline);
        await reconciler.ReconcileAsync(key, default);
        _ended.Should().NotContain(a => a.OperationName == nameof(PodMigration), "it goes on");
        traces.Observe(((FewObjects)(object)cluster).End());
        await migration.ReconcileAsync(key, default);

        var spans = _ended.ToList();
        spans.Should().OnlyContain(a => a.TraceId.ToHexString() == TraceId);
        var root = One(spans, nameof(PodMigration));
        root.ParentSpanId.Should().Be(default(ActivitySpanId));
        root.Status.Should().Be(ActivityStatusCode.Ok);
        root.GetTagItem("podmigration.outcome").Should().Be("Restored");
        One(spans, "reconcile PodMigration").ParentSpanId
            .Should().Be(root.SpanId, "what comes after the end is not told");
        var call = spans.Single(a => a.Kind == ActivityKind.Client);
        var run = spans.First(a => a.OperationName == "reconcile ContainerCheckpoint");
        run.ParentSpanId.Should().Be(root.SpanId);
        call.ParentSpanId.Should().Be(run.SpanId, "the run that began the call, though it did not wait for it");
        call.OperationName.Should().Be(CheckpointMethods.Checkpoint.FullName[1..]);
        call.GetTagItem("rpc.grpc.status_code").Should().Be(0);
        var served = spans.Single(a => a.Kind == ActivityKind.Server);
        served.ParentSpanId.Should().Be(call.SpanId);
        served.HasRemoteParent.Should().BeTrue();
        var work = One(spans, "checkpoint container");
        work.ParentSpanId.Should().Be(served.SpanId);
        One(spans, "dump").ParentSpanId.Should().Be(work.SpanId);
        var store = One(spans, "store");
        store.ParentSpanId.Should().Be(work.SpanId);
        store.Duration.Should().BeCloseTo(TimeSpan.FromMilliseconds(30), TimeSpan.FromMilliseconds(1));
        store.GetTagItem("compressed_bytes").Should().Be(10L);
        var step = One(spans, "step Checkpoint");
        step.ParentSpanId.Should().Be(root.SpanId);
        step.Duration.Should().Be(TimeSpan.FromSeconds(2));
    }

    [Test]
    public async Task A_failed_call_is_an_error_on_both_sides()
    {
        using (var parent = new ActivitySource("PodCheckpointing.Test").StartActivity("parent"))
        {
            await new CheckpointServiceClient(_channel).Invoking(c => c.SealAsync(new SealRequest(), Deadline, default))
                .Should().ThrowAsync<RpcException>();
        }

        foreach (var kind in new[] { ActivityKind.Client, ActivityKind.Server })
        {
            var span = _ended.Single(a => a.Kind == kind);
            span.Status.Should().Be(ActivityStatusCode.Error);
            span.GetTagItem("rpc.grpc.status_code").Should().Be((int)StatusCode.Unimplemented);
        }
    }

    [Test]
    public async Task A_call_that_belongs_to_nothing_carries_no_trace()
    {
        await new CheckpointServiceClient(_channel).FenceAsync(new FenceRequest(), Deadline, default);

        _ended.Should().NotContain(a => a.Kind == ActivityKind.Client);
        _ended.Single(a => a.Kind == ActivityKind.Server).ParentSpanId.Should().Be(default(ActivitySpanId));
    }

    [Test]
    public async Task Spans_go_to_an_OTLP_endpoint_when_one_is_named()
    {
        var bodies = new ConcurrentQueue<(string Path, byte[] Body)>();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var collector = builder.Build();
        collector.MapPost("/{**path}", async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            bodies.Enqueue((context.Request.Path.Value!, body.ToArray()));
        });
        await collector.StartAsync();
        var variables = new Dictionary<string, string>
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Urls.Single(),
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
        };
        ActivityTraceId trace;
        try
        {
            foreach (var (name, value) in variables)
            {
                Environment.SetEnvironmentVariable(name, value);
            }

            var services = new ServiceCollection();
            services.AddTracing("a-service", "1.2.3");
            await using var provider = services.BuildServiceProvider();
            provider.GetServices<Microsoft.Extensions.Hosting.IHostedService>().Should().ContainSingle();
            using (var span = new ActivitySource("PodCheckpointing.Test").StartActivity("a-span"))
            {
                trace = span!.TraceId;
            }
        }
        finally
        {
            foreach (var name in variables.Keys)
            {
                Environment.SetEnvironmentVariable(name, null);
            }
        }

        // Ended with the services, which sends what is left.
        var (path, sent) = bodies.Single();
        path.Should().Be("/v1/traces");
        var bytes = Convert.ToHexString(sent);
        bytes.Should().Contain(trace.ToHexString().ToUpperInvariant())
            .And.Contain(Convert.ToHexString("a-service"u8)).And.Contain(Convert.ToHexString("a-span"u8));
    }

    [Test]
    public void Without_an_endpoint_nothing_is_set_up()
    {
        var services = new ServiceCollection();
        services.AddTracing("a-service", "1.2.3");

        services.Should().BeEmpty();
    }

    private static Activity One(IEnumerable<Activity> spans, string name) => spans.Single(a => a.OperationName == name);

    /// <summary>An agent that dumps nothing and says how long it took.</summary>
    private sealed class TracedAgent : CheckpointServiceBase
    {
        public override Task<CheckpointResponse> CheckpointAsync(
            CheckpointRequest request, ServerCallContext context) =>
            OperationMeter.CheckpointAsync(async () =>
            {
                await Task.Yield();
                OperationMeter.Stored(
                    new ContainerManifest { Size = 20, CompressedSize = 10 },
                    TimeSpan.FromMilliseconds(50),
                    TimeSpan.FromMilliseconds(30));
                return new CheckpointResponse();
            });

        public override Task<FenceResponse> FenceAsync(FenceRequest request, ServerCallContext context) =>
            Task.FromResult(new FenceResponse());
    }

    private sealed class Scripted(Action action) : IReconciler
    {
        public Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
        {
            action();
            return Task.FromResult(ReconcileResult.Done);
        }
    }

    /// <summary>A migration, its checkpoint and that one's only part, all of one name.</summary>
    // Not sealed: the proxy inherits from it.
#pragma warning disable CA1852
    private class FewObjects : DispatchProxy
#pragma warning restore CA1852
    {
        private readonly Dictionary<Type, object> _objects = new()
        {
            [typeof(PodMigration)] = new PodMigration { Metadata = Meta(Uid, null) },
            [typeof(PodCheckpoint)] = new PodCheckpoint { Metadata = Meta("c", nameof(PodMigration)) },
            [typeof(ContainerCheckpoint)] = new ContainerCheckpoint { Metadata = Meta("cc", nameof(PodCheckpoint)) },
        };

        public PodMigration End()
        {
            var now = DateTime.UtcNow;
            var ended = (PodMigration)_objects[typeof(PodMigration)] with
            {
                Status = new PodMigrationStatus
                {
                    CompletionTime = now,
                    Outcome = Outcomes.Restored,
                    Conditions = [new V1Condition { Type = ConditionTypes.Ready, Status = "True" }],
                    Steps = [new MigrationStep
                    {
                        Name = "Checkpoint",
                        StartedAt = now.AddSeconds(-3),
                        FinishedAt = now.AddSeconds(-1),
                    }],
                },
            };
            _objects[typeof(PodMigration)] = ended;
            return ended;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) =>
            targetMethod!.Name == nameof(ICluster.Find)
                ? _objects[targetMethod.GetGenericArguments()[0]]
                : throw new NotSupportedException(targetMethod.Name);

        private static V1ObjectMeta Meta(string uid, string? owner) => new()
        {
            NamespaceProperty = "ns",
            Name = "m",
            Uid = uid,
            OwnerReferences = owner is null
                ? null
                : [new V1OwnerReference
                {
                    Kind = owner,
                    Name = "m",
                    Uid = "any",
                    Controller = true,
                    ApiVersion = "v1",
                }],
        };
    }
}
