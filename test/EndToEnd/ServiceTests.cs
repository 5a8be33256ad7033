using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.EndToEnd;

/// <summary>Pods of a Deployment behind a Service move while a client asks them; a ReplicaSet controller and an
/// EndpointSlice controller watch, as in a whole cluster.</summary>
[TestFixture]
public sealed class ServiceTests() : BenchTests("s", ("POD_CHECKPOINTING_CONTROLLERS", "1"))
{
    private const string Ready = "{.status.readyReplicas}";

    private IKubernetes Client => new Kubernetes(
        KubernetesClientConfiguration.BuildConfigFromConfigFile(
            Path.Combine(Cluster.Folder, "kubeconfig"), context: null));

    [Test]
    public async Task A_pod_of_the_samples_Deployment_moves_under_load_and_its_ReplicaSet_starts_no_other()
    {
        const string sample = "config/samples/demo/deployment.yaml";
        await Cluster.ApplyFileAsync(sample);
        await Cluster.WaitAsync("deployment", "web", Ready, "2");
        var client = Client;
        var source = await PodOnAsync("web", "node-a");
        var siblings = await UidsAsync("web");
        await using var seen = new SeenPods(client, "app=web");
        await using var load = new ServiceLoad(client, "web");
        await AnswersAsync(load, source.Metadata.Uid!);

        // As its head says it, with the pod put in.
        var command = (await File.ReadAllLinesAsync(Path.Combine(Readme.Root, sample)))
            .Single(l => l.StartsWith("#   kubectl create", StringComparison.Ordinal))[1..];
        var said = await Cluster.SayAsync(
            "bash", "-c", command.Replace("POD", source.Metadata.Name, StringComparison.Ordinal));
        said.Code.Should().Be(0, "it said {0}", said.Output + said.Error);

        var restored = await client.GetAsync<V1Pod>(
            "default", await Cluster.GetAsync("podmigration", "web", "{.status.restoredPodName}"),
            CancellationToken.None);
        // Whoever asked meanwhile is answered by the restored pod, which has counted what the source had.
        await AnswersAsync(load, restored.Metadata.Uid!);
        restored.Spec.NodeName.Should().Be("node-b");
        restored.Metadata.Labels!.Where(l => l.Key != WellKnown.MigrationUid)
            .Should().BeEquivalentTo(source.Metadata.Labels);
        restored.Metadata.OwnerReferences.Should().BeEquivalentTo(source.Metadata.OwnerReferences);
        restored.Metadata.Annotations
            .Should().NotContainKey(WellKnown.Handover).And.NotContainKey(WellKnown.DeletionCost);
        var uids = siblings.Where(u => u != source.Metadata.Uid).Append(restored.Metadata.Uid).ToList();
        (await UidsAsync("web")).Should().BeEquivalentTo(uids);
        seen.Uids.Should().BeSubsetOf([.. siblings, restored.Metadata.Uid!], "the ReplicaSet has made no third pod");
        (await SwitchedAsync("web")).Should().Be("True Succeeded");
        var done = await client.GetAsync<PodMigration>("default", "web", CancellationToken.None);
        done.Status!.Conditions.Find("ServiceSwitched")!.LastTransitionTime
            .Should().BeOnOrBefore(done.Status.CompletionTime!.Value);
        (await Cluster.GetAsync("endpointslice", "web-bench", "{.endpoints[*].targetRef.uid}")).Split(' ')
            .Should().BeEquivalentTo(uids);
        var log = Cluster.Numbers("node-a", source.Metadata.Name!, "c", "n")
            .Concat(Cluster.Numbers("node-b", source.Metadata.Name!, "c", "n"))
            .ToList();
        log.Should().Equal(Enumerable.Range(1, log.Count).Select(n => (long)n), "it has counted on");
        TestContext.Out.WriteLine(
            $"client: {load.Requests} requests, {load.Errors} errors, at most {load.MostInARow} in a row; downtime "
            + await Cluster.GetAsync("podmigration", "web", "{.status.downtimeMilliseconds} ms"));
        load.Errors.Should().BeLessThan(load.Requests / 2, "the other replica answers all the time");

        await ScaleAsync("web", 1);
        await ScaleAsync("web", 3);
        (await Cluster.KubectlAsync("get", "pods", "-l", "app=web", "-o", "name"))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Should().HaveCount(3);
    }

    [Test]
    public async Task A_migration_that_fails_leaves_the_source_owned_labelled_and_served_as_it_was()
    {
        await DeployAsync("back");
        var client = Client;
        var source = await PodOnAsync("back", "node-a");
        var before = await UidsAsync("back");
        await using var seen = new SeenPods(client, "app=back");
        await WithoutRestoresAsync(
            () => MigrateAsync(source.Metadata.Name!, "back", "node-b", "Failed", "serviceName: back"));

        var after = await client.GetAsync<V1Pod>("default", source.Metadata.Name!, CancellationToken.None);
        after.Metadata.Uid.Should().Be(source.Metadata.Uid);
        after.Metadata.Labels.Should().BeEquivalentTo(source.Metadata.Labels);
        after.Metadata.Annotations.Should().BeEquivalentTo(source.Metadata.Annotations);
        after.Metadata.OwnerReferences.Should().BeEquivalentTo(source.Metadata.OwnerReferences);
        var target = await Cluster.GetAsync("podmigration", "back", "{.status.restoredPodUID}");
        seen.Uids.Should().BeSubsetOf([.. before, target], "the ReplicaSet has started nothing");
        await using var load = new ServiceLoad(client, "back");
        await AnswersAsync(load, source.Metadata.Uid!);
    }

    [Test]
    public async Task A_Service_that_does_not_lead_to_the_pod_is_refused_before_anything_happens()
    {
        await DeployAsync("other");
        var source = await PodOnAsync("other", "node-a");
        await Cluster.ApplyAsync(ServiceFor("wrong", "somebody-else"));

        await MigrateAsync(source.Metadata.Name!, "wrong", "node-b", "Failed", "serviceName: wrong");
        await MigrateAsync(source.Metadata.Name!, "none", "node-b", "Failed", "serviceName: none");

        (await Cluster.GetAsync(
            "podmigration", "wrong", "{.status.conditions[?(@.type==\"Ready\")].reason} {.status.message}"))
            .Should().Contain("ServiceNotSelecting").And.Contain("selects app=somebody-else");
        (await Cluster.GetAsync("podmigration", "none", "{.status.message}"))
            .Should().Contain("Service none does not exist");
        (await Cluster.GetAsync("pod", source.Metadata.Name!, "{.metadata.uid}")).Should().Be(source.Metadata.Uid);
    }

    private async Task DeployAsync(string name)
    {
        await Cluster.ApplyAsync($$"""
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: {{name}}}
            spec:
              replicas: 2
              selector:
                matchLabels:
                  app: {{name}}
              template:
                metadata:
                  labels:
                    app: {{name}}
                spec:
                  terminationGracePeriodSeconds: 1
                  containers:
            {{"      " + Python("c", LineClient.Server).ReplaceLineEndings("\n      ")}}
            ---
            {{ServiceFor(name, name)}}
            """);
        await Cluster.WaitAsync("deployment", name, Ready, "2");
    }

    private static string ServiceFor(string name, string app) =>
        $"{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{selector: {{app: {app}}}, ports: "
            + $"[{{port: 7000}}]}}}}";

    private async Task ScaleAsync(string name, int replicas)
    {
        await Cluster.KubectlAsync(
            "patch", "deployment", name, "--type=merge", "-p", $"{{\"spec\":{{\"replicas\":{replicas}}}}}");
        var number = replicas.ToString(CultureInfo.InvariantCulture);
        await Cluster.WaitAsync("deployment", name, Ready, number);
        await Cluster.UntilAsync(
            names => names.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length == replicas,
            "get", "pods", "-l", $"app={name}", "-o", "jsonpath={.items[*].metadata.name}");
    }

    private async Task<V1Pod> PodOnAsync(string app, string node)
    {
        var name = await Cluster.KubectlAsync(
            "get", "pods", "-l", $"app={app}", "-o",
            $"jsonpath={{.items[?(@.spec.nodeName==\"{node}\")].metadata.name}}");
        return await Client.GetAsync<V1Pod>("default", name.Split(' ')[0], CancellationToken.None);
    }

    private async Task<string[]> UidsAsync(string app) =>
        (await Cluster.KubectlAsync("get", "pods", "-l", $"app={app}", "-o", "jsonpath={.items[*].metadata.uid}"))
            .Split(' ');

    private Task<string> SwitchedAsync(string migration) => Cluster.GetAsync(
        "podmigration", migration,
        "{.status.conditions[?(@.type==\"ServiceSwitched\")].status} "
            + "{.status.conditions[?(@.type==\"ServiceSwitched\")].reason}");

    /// <summary>Waits until a pod has answered some more.</summary>
    private static async Task AnswersAsync(ServiceLoad load, string uid)
    {
        var before = load.Answers.GetValueOrDefault(uid);
        var watch = Stopwatch.StartNew();
        while (load.Answers.GetValueOrDefault(uid) < before + 5)
        {
            watch.Elapsed
                .Should().BeLessThan(Patience, "the Service leads to {0}; answers so far: {1}", uid, load.Answers);
            await Task.Delay(100);
        }
    }

    /// <summary>Every pod with some labels that there ever was.</summary>
    private sealed class SeenPods : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly ConcurrentDictionary<string, bool> _uids = new();
        private readonly Task _work;

        public SeenPods(IKubernetes kubernetes, string selector) => _work = FollowAsync(kubernetes, selector);

        public IEnumerable<string> Uids => _uids.Keys;

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _work;
            _stop.Dispose();
        }

        private async Task FollowAsync(IKubernetes kubernetes, string selector)
        {
            var these =
                new ListOptions { Namespace = "default", LabelSelector = selector, Timeout = TimeSpan.FromMinutes(10) };
            try
            {
                await foreach (var (type, pod) in kubernetes.WatchAsync<V1Pod>(these, _stop.Token))
                {
                    if (type != WatchEventType.Bookmark)
                    {
                        _uids[pod.Metadata.Uid!] = true;
                    }
                }
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                // That was all.
            }
        }
    }
}
