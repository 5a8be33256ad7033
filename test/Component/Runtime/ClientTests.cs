using System.Net;
using FluentAssertions;
using k8s;
using k8s.Models;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Runtime;

/// <summary>What the server refuses, in its own words, and what it lets pass.</summary>
internal sealed class ClientTests : RuntimeTests
{
    [Test]
    public async Task What_is_not_there_is_not_found()
    {
        var getting = () => Client.GetAsync<V1Pod>("default", "nobody", CancellationToken.None);
        (await getting.Should().ThrowAsync<KubernetesException>()).Which.Should().Match<KubernetesException>(
            e => e.IsNotFound && e.Message.Contains("\"nobody\" not found"));
    }

    [Test]
    public async Task A_namesake_is_no_conflict()
    {
        await Client.CreateAsync(Pod("twice"), CancellationToken.None);
        var creating = () => Client.CreateAsync(Pod("twice"), CancellationToken.None);
        (await creating.Should().ThrowAsync<KubernetesException>()).Which.Should().Match<KubernetesException>(
            e => e.IsAlreadyExists && !e.IsConflict);
    }

    [Test]
    public async Task What_is_only_tried_is_not_stored()
    {
        var (cluster, informer) = await ClusterAsync();
        using var watching = informer;

        await cluster.TryCreateAsync(Pod("tried"), CancellationToken.None);
        await cluster.TryCreateAsync(
            await Client.CreateAsync(Pod("there"), CancellationToken.None) with { Metadata = Pod("there").Metadata },
            CancellationToken.None);

        var getting = () => Client.GetAsync<V1Pod>("default", "tried", CancellationToken.None);
        (await getting.Should().ThrowAsync<KubernetesException>()).Which.IsNotFound.Should().BeTrue();
    }

    [Test]
    public async Task An_old_version_cannot_be_replaced()
    {
        var old = await Client.CreateAsync(Pod("stale"), CancellationToken.None);
        await LabelAsync("stale", "x");
        var replacing = () => Client.ReplaceAsync(old, subresource: null, CancellationToken.None);
        (await replacing.Should().ThrowAsync<KubernetesException>()).Which.IsConflict.Should().BeTrue();
    }

    [Test]
    public async Task What_breaks_a_rule_is_invalid_and_says_where()
    {
        await Server.InstallDefinitionsAsync();
        var migration = new PodMigration
        {
            Metadata = new V1ObjectMeta { Name = "broken", NamespaceProperty = "default" },
            Spec = new PodMigrationSpec { PodName = "Not_a_name" },
        };

        var creating = () => Client.CreateAsync(migration, CancellationToken.None);

        (await creating.Should().ThrowAsync<KubernetesException>()).Which.Should().Match<KubernetesException>(
            e => e.Code == HttpStatusCode.UnprocessableEntity && e.Message.Contains("spec.podName"));
    }

    [Test]
    public async Task A_deletion_means_one_uid()
    {
        var pod = await Client.CreateAsync(Pod("meant"), CancellationToken.None);
        var deleting = () => Client.DeleteAsync<V1Pod>(
            "default", "meant",
            new V1DeleteOptions { Preconditions = new V1Preconditions { Uid = Guid.NewGuid().ToString() } },
            CancellationToken.None);
        (await deleting.Should().ThrowAsync<KubernetesException>()).Which.IsConflict.Should().BeTrue();
        (await Client.GetAsync<V1Pod>("default", "meant", CancellationToken.None)).Metadata.Uid
            .Should().Be(pod.Metadata.Uid);
    }

    [Test]
    public async Task Applying_twice_is_applying_once()
    {
        const string Patch =
            """{"apiVersion":"v1","kind":"Pod","metadata":{"name":"applied","labels":{"a":"1"}},"spec":{"containers":[{"name":"c","image":"busybox"}]}}""";
        var first = await Client.PatchAsync<V1Pod>(
            "default", "applied", null, PatchType.Apply, Patch, "test", CancellationToken.None);
        var second = await Client.PatchAsync<V1Pod>(
            "default", "applied", null, PatchType.Apply, Patch, "test", CancellationToken.None);
        second.Metadata.ResourceVersion.Should().Be(first.Metadata.ResourceVersion);
        second.Metadata.Labels!["a"].Should().Be("1");
    }

    [Test]
    public async Task A_watch_from_long_ago_is_gone()
    {
        await Client.CreateAsync(Pod("old-1"), CancellationToken.None);
        await Client.CreateAsync(Pod("old-2"), CancellationToken.None);
        await Server.CompactAsync();
        await Server.RestartAsync("kube-apiserver");

        var watching = async () =>
        {
            await foreach (var _ in Client.WatchAsync<V1Pod>(
                new ListOptions { ResourceVersion = "1" }, CancellationToken.None))
            {
            }
        };
        (await watching.Should().ThrowAsync<KubernetesException>()).Which.IsGone.Should().BeTrue();
    }

    [Test]
    public async Task A_status_is_written_over_the_version_that_was_read_and_only_when_it_changed()
    {
        var (cluster, informer) = await ClusterAsync();
        var pod = await Client.CreateAsync(Pod("status"), CancellationToken.None);
        var running = (pod.Status ?? new V1PodStatus()) with { Phase = "Running" };
        await cluster.PatchStatusAsync(pod, pod.Status, running, CancellationToken.None);
        var written = await cluster.ReadAsync<V1Pod>(ObjectKey.Of(pod), CancellationToken.None);
        written!.Status!.Phase.Should().Be("Running");

        await cluster.PatchStatusAsync(written, written.Status, running with { }, CancellationToken.None);
        (await cluster.ReadAsync<V1Pod>(ObjectKey.Of(pod), CancellationToken.None))!.Metadata.ResourceVersion
            .Should().Be(written.Metadata.ResourceVersion);
        var stale = () => cluster.PatchStatusAsync(
            pod, pod.Status, running with { Phase = "Failed" }, CancellationToken.None);
        await stale.Should().ThrowAsync<ConflictException>();
        await informer.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task Creating_what_is_there_reads_it_and_deleting_a_namesake_deletes_nothing()
    {
        var (cluster, informer) = await ClusterAsync();
        var first = await cluster.CreateOrGetAsync(Pod("once"), CancellationToken.None);
        (await cluster.CreateOrGetAsync(Pod("once"), CancellationToken.None)).Metadata.Uid
            .Should().Be(first.Metadata.Uid);

        var namesake = first with { Metadata = first.Metadata with { Uid = Guid.NewGuid().ToString() } };
        await cluster.DeleteAsync(namesake, graceSeconds: 0, CancellationToken.None);
        (await cluster.ReadAsync<V1Pod>(ObjectKey.Of(first), CancellationToken.None)).Should().NotBeNull();
        await cluster.DeleteAsync(first, graceSeconds: 0, CancellationToken.None);
        await cluster.DeleteAsync(first, graceSeconds: 0, CancellationToken.None);
        (await cluster.ReadAsync<V1Pod>(ObjectKey.Of(first), CancellationToken.None)).Should().BeNull();
        await informer.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task Events_are_counted_and_a_loud_object_is_not_heard()
    {
        var pod = await Client.CreateAsync(Pod("loud"), CancellationToken.None);
        using var recorder = new EventRecorder(Client, "test", TimeProvider.System, NullLogger<EventRecorder>.Instance);
        await recorder.StartAsync(CancellationToken.None);
        for (var i = 0; i < 3; i++)
        {
            recorder.Record(pod, "Warning", "RestoreFailed", "it did not work");
        }

        for (var i = 0; i < 100; i++)
        {
            recorder.Record(pod, "Normal", "Noise", $"number {i}");
        }

        var events = new List<Corev1Event>();
        await Wait.UntilAsync(() =>
        {
            events = [.. Client.ListAsync<Corev1Event>(
                new ListOptions { FieldSelector = $"involvedObject.uid={pod.Metadata.Uid}" },
                CancellationToken.None).Result.Items];
            return events.Count >= 23;
        });

        events.Should().HaveCount(23, "25 in a burst, of which three are one");
        events.Single(e => e.Reason == "RestoreFailed").Count.Should().Be(3);
        await recorder.StopAsync(CancellationToken.None);
    }

    private async Task<(Cluster Cluster, Informer<V1Pod> Informer)> ClusterAsync()
    {
        var informer = new Informer<V1Pod>(Client, TimeProvider.System, NullLogger<Informer<V1Pod>>.Instance);
        await informer.StartAsync(CancellationToken.None);
        await informer.Synced;
        var services = new ServiceCollection().AddSingleton(informer).BuildServiceProvider();
        return (new Cluster(services, Client, "test", new SoleLeader()), informer);
    }
}
