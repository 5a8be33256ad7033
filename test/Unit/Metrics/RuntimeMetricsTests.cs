using System.Net;
using FluentAssertions;
using k8s;
using k8s.Models;
using Microsoft.Extensions.DependencyInjection;
using NUnit.Framework;
using PodCheckpointing.Runtime;
using PodCheckpointing.Runtime.Metrics;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Unit.Metrics;

public sealed class RuntimeMetricsTests
{
    private static readonly ObjectKey A = new("ns", "a");
    private static readonly ObjectKey B = new("ns", "b");
    private readonly HandTime _time = new();
    private MetricsExporter _exporter = null!;

    [SetUp]
    public void Listen() => _exporter = new MetricsExporter(RuntimeMetrics.Set);

    [TearDown]
    public void Unhear() => _exporter.Dispose();

    [Test]
    public async Task A_queue_tells_depth_adds_waits_and_work()
    {
        using var queue = new WorkQueue(_time, name: "q");
        queue.Add(A);
        queue.Add(A);
        queue.Add(B);
        Of("workqueue_depth").Should().Be(2);
        Of("workqueue_adds_total").Should().Be(2, "a key that waits is not added again");

        _time.Advance(TimeSpan.FromSeconds(3));
        (await queue.GetAsync(default)).Should().Be(A);
        Of("workqueue_depth").Should().Be(1);
        Of("workqueue_queue_duration_seconds_sum").Should().Be(3);

        _time.Advance(TimeSpan.FromSeconds(2));
        await queue.GetAsync(default);
        _time.Advance(TimeSpan.FromSeconds(1));
        Of("workqueue_unfinished_work_seconds").Should().Be(4);
        Of("workqueue_longest_running_processor_seconds").Should().Be(3);

        // Asked for while it runs: it waits for its next turn from now on.
        queue.Add(A);
        Of("workqueue_depth").Should().Be(1);
        queue.Done(A);
        Of("workqueue_work_duration_seconds_sum").Should().Be(3);
        await queue.GetAsync(default);
        queue.Done(A);
        queue.Done(B);
        Of("workqueue_depth").Should().Be(0);
        Of("workqueue_unfinished_work_seconds").Should().Be(0);
        Of("workqueue_adds_total").Should().Be(3);
    }

    [Test]
    public async Task A_reaction_lasts_from_the_asking_to_the_first_thing_that_is_done()
    {
        using var queue = new WorkQueue(_time);
        var measured = new MeasuredReconciler(
            new Acting(() =>
            {
                _time.Advance(TimeSpan.FromSeconds(2));
                Reaction.Acts();
                _time.Advance(TimeSpan.FromSeconds(100));
                Reaction.Acts();
            }),
            "c",
            _time,
            queue);
        queue.Add(A);
        _time.Advance(TimeSpan.FromSeconds(1));
        await measured.ReconcileAsync(await queue.GetAsync(default), default);
        await new MeasuredReconciler(new Acting(() => { }), "c", _time, queue).ReconcileAsync(A, default);

        Reaction.Acts();
        _exporter.Of("operator_event_to_effect_seconds_sum{controller=\"c\"}").Should().Be(3);
        _exporter.Of("operator_event_to_effect_seconds_count{controller=\"c\"}")
            .Should().Be(1, "the second run has done nothing, and what nobody runs is nobody's");
    }

    [Test]
    public async Task What_the_server_takes_to_answer_a_read_is_no_time_of_ours()
    {
        var answers = new TaskCompletionSource();
        var client = new MeasuredKubernetes(new ScriptedKubernetes { Answers = answers.Task }, _time);
        using var queue = new WorkQueue(_time);
        var measured = new MeasuredReconciler(
            new Acting(() =>
            {
                _time.Advance(TimeSpan.FromSeconds(1));
                var read = client.GetAsync<V1Pod>("ns", "a", default);
                _time.Advance(TimeSpan.FromSeconds(7));
                answers.SetResult();
                read.Wait();
                client.DeleteAsync<V1Pod>("ns", "a", new V1DeleteOptions(), default).Wait();
            }),
            "reads",
            _time,
            queue);
        queue.Add(A);

        await measured.ReconcileAsync(await queue.GetAsync(default), default);

        _exporter.Of("operator_event_to_effect_seconds_sum{controller=\"reads\"}").Should().Be(1);
    }

    [Test]
    public async Task What_may_not_begin_yet_reacts_to_nothing_and_what_may_from_then_on()
    {
        var begun = new HashSet<ObjectKey>();
        using var queue = new WorkQueue(_time, isNew: key => !begun.Contains(key));
        var measured = new MeasuredReconciler(new Acting(Reaction.Acts), "limited", _time, queue);
        queue.Add(A);
        queue.Add(B);
        _time.Advance(TimeSpan.FromSeconds(60));
        await measured.ReconcileAsync(await queue.GetAsync(default), default);
        _exporter.Of("operator_event_to_effect_seconds_count{controller=\"limited\"}")
            .Should().BeNull("it has told that it waits, no more");

        begun.Add(B);
        queue.Add(B);
        _time.Advance(TimeSpan.FromSeconds(2));
        await measured.ReconcileAsync(await queue.GetAsync(default), default);
        _exporter.Of("operator_event_to_effect_seconds_sum{controller=\"limited\"}").Should().Be(2);
    }

    [Test]
    public void A_queue_tells_retries()
    {
        using var queue = new WorkQueue(_time, name: "q");
        queue.AddRateLimited(A);
        queue.AddAfter(B, TimeSpan.FromSeconds(1));

        Of("workqueue_retries_total").Should().Be(1);
        Of("workqueue_depth").Should().Be(0);
    }

    [Test]
    public void A_queue_that_ends_is_looked_up_no_more()
    {
        new WorkQueue(_time, name: "q").Dispose();

        Of("workqueue_unfinished_work_seconds").Should().BeNull();
    }

    [Test]
    public async Task Runs_are_told_by_how_they_end()
    {
        Exception?[] ends = [null, new TerminalException(
            "Why", "no"), new ConflictException("stale"), new InvalidOperationException()];
        foreach (var end in ends)
        {
            var run = () => new MeasuredReconciler(new Scripted(_time, end), "c", _time).ReconcileAsync(A, default);
            if (end is null)
            {
                await run();
            }
            else
            {
                (await run.Should().ThrowAsync<Exception>()).Which.Should().BeSameAs(end);
            }
        }

        foreach (var how in new[] { "success", "terminal", "conflict", "error" })
        {
            _exporter.Of($"controller_runtime_reconcile_total{{controller=\"c\",result=\"{how}\"}}").Should().Be(1);
        }

        _exporter.Of("controller_runtime_reconcile_errors_total{controller=\"c\"}").Should().Be(1);
        _exporter.Of("controller_runtime_reconcile_time_seconds_sum{controller=\"c\"}").Should().Be(8);
        _exporter.Of("controller_runtime_active_workers{controller=\"c\"}").Should().Be(0);
    }

    [Test]
    public async Task A_run_that_the_process_ends_has_not_ended()
    {
        var stopping = new CancellationToken(canceled: true);
        var run = () => new MeasuredReconciler(
            new Scripted(_time, new OperationCanceledException(stopping)), "stopped", _time).ReconcileAsync(
                A, stopping);

        await run.Should().ThrowAsync<OperationCanceledException>();

        _exporter.Of("controller_runtime_reconcile_total{controller=\"stopped\",result=\"error\"}").Should().BeNull();
        _exporter.Of("controller_runtime_active_workers{controller=\"stopped\"}").Should().Be(0);
    }

    [Test]
    public async Task What_is_only_tried_is_told_by_its_kind_too()
    {
        using var services = new ServiceCollection().BuildServiceProvider();
        var cluster = new Cluster(
            services, new MeasuredKubernetes(new ScriptedKubernetes(), _time), "test", new SoleLeader());

        await cluster.TryCreateAsync(new V1Pod { Metadata = new V1ObjectMeta { Name = "a" } }, default);

        Requests("create", "pods", "201").Should().Be(1);
    }

    [Test]
    public async Task Requests_are_told_by_verb_resource_and_code()
    {
        var server = new ScriptedKubernetes();
        var client = new MeasuredKubernetes(server, _time);

        await client.GetAsync<V1Pod>("ns", "a", default);
        server.Failure = new KubernetesException(HttpStatusCode.Conflict, new V1Status());
        await client.Invoking(c => c.PatchAsync<V1Pod>("ns", "a", "status", PatchType.Merge, "{}", "f", default))
            .Should().ThrowAsync<KubernetesException>();
        server.Failure = new HttpRequestException("refused");
        await client.Invoking(c => c.CreateAsync(new V1Node(), default)).Should().ThrowAsync<HttpRequestException>();
        await client.Invoking(
            async c => await c.WatchAsync<V1Node>(new ListOptions(), default).GetAsyncEnumerator().MoveNextAsync())
            .Should().ThrowAsync<HttpRequestException>();
        server.Failure = null;
        await foreach (var change in client.WatchAsync<V1Pod>(new ListOptions(), default))
        {
            change.Type.Should().Be(WatchEventType.Added);
        }

        Requests("get", "pods", "200").Should().Be(1);
        Requests("patch", "pods", "409").Should().Be(1);
        Requests("create", "nodes", "<error>").Should().Be(1);
        Requests("watch", "nodes", "<error>").Should().Be(1);
        Requests("watch", "pods", "200").Should().Be(1, "one watch is one request, however many events it brings");
    }

    [Test]
    public void A_kind_is_told_without_its_version() =>
        new[] { typeof(V1Pod), typeof(Version) }.Select(RuntimeMetrics.KindOf).Should().Equal("Pod", "Version");

    private double? Of(string name) => _exporter.Of(name + "{name=\"q\"}");

    private double? Requests(string verb, string resource, string code) =>
        _exporter.Of($"rest_client_requests_total{{verb=\"{verb}\",resource=\"{resource}\",code=\"{code}\"}}");

    private sealed class Scripted(HandTime time, Exception? end) : IReconciler
    {
        public Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
        {
            time.Advance(TimeSpan.FromSeconds(2));
            return end is null ? Task.FromResult(ReconcileResult.Done) : Task.FromException<ReconcileResult>(end);
        }
    }

    private sealed class ScriptedKubernetes : IKubernetes
    {
        public Exception? Failure { get; set; }

        public Task Answers { get; init; } = Task.CompletedTask;

        public Task<KubernetesList<T>> ListAsync<T>(ListOptions options, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => Answer(new KubernetesList<T>());

        public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(
            ListOptions options,
            [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta>
        {
            await Answer(true);
            yield return new WatchEvent<T>(WatchEventType.Added, default!);
            yield return new WatchEvent<T>(WatchEventType.Added, default!);
        }

        public Task<T> GetAsync<T>(string? namespaceName, string name, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => Answer<T>(default!);

        public Task<T> CreateAsync<T>(T item, bool dryRun, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => Answer(item);

        public Task<T> ReplaceAsync<T>(T item, string? subresource, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => Answer(item);

        public Task<T> PatchAsync<T>(
            string? namespaceName, string name, string? subresource, PatchType type, string patch, string fieldManager,
            CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => Answer<T>(default!);

        public Task DeleteAsync<T>(
            string? namespaceName, string name, V1DeleteOptions options, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => Answer(true);

        private async Task<T> Answer<T>(T value)
        {
            await Answers;
            return Failure is null ? value : throw Failure;
        }
    }

    private sealed class Acting(Action act) : IReconciler
    {
        public Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
        {
            act();
            return Task.FromResult(ReconcileResult.Done);
        }
    }
}
