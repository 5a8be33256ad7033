using System.Text.Json;
using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

public sealed class MigrationRulesTests
{
    [Test]
    public void A_running_pod_of_its_own_can_travel() => PodObstacles.Of(Running()).Should().BeEmpty();

    [Test]
    public void What_cannot_travel_is_named()
    {
        var pod = Running();
        Refused(pod with { Status = pod.Status! with { Phase = "Pending" } }, Reasons.PodNotRunning, "Pending");
        Refused(
            pod with { Status = pod.Status! with { ContainerStatuses = [] } }, Reasons.PodNotRunning, "container c");
        Refused(
            Spec(s => s with { Volumes = [new V1Volume { Name = "node", HostPath = new() { Path = "/" } }] }),
            Reasons.PodNotMigratable,
            "\"node\" is a hostPath");
        Refused(Spec(s => s with
        {
            Volumes = [new V1Volume { Name = "huge", EmptyDir = new() { Medium = "HugePages-2Mi" } }],
        }), Reasons.PodNotMigratable, "huge pages");
        Refused(
            Spec(s => s with { HostPID = true, HostNetwork = true }),
            Reasons.PodNotMigratable,
            "network; set it to false; spec.hostPID");
        Refused(Spec(s => s with { HostNetwork = true }), Reasons.PodNotMigratable, "network");
        Refused(Spec(
            s => s with { Containers = [s.Containers[0] with { Tty = true }] }), Reasons.PodNotMigratable, "terminal");
        // It would stand still in the midst of it, and nobody would let it go on.
        var own = new Dictionary<string, string> { ["app.kubernetes.io/name"] = "pod-checkpointing-operator" };
        Refused(
            pod with { Metadata = pod.Metadata with { Labels = own } }, Reasons.PodNotMigratable, "it is the operator");
        var named = new Dictionary<string, string> { [WellKnown.CriuConfig] = "/var/lib/it/criu.conf" };
        Refused(pod with
        {
            Metadata = pod.Metadata with { Annotations = named },
        }, Reasons.PodNotMigratable, "as root on the node");
        var proxy = new V1Container { Name = "proxy", RestartPolicy = "Always" };
        Refused(Spec(s => s with { InitContainers = [proxy] }), Reasons.PodNotRunning, "proxy");
        var probed =
            proxy with { More = new Dictionary<string, JsonElement>
            {
                ["startupProbe"] = JsonSerializer.SerializeToElement(new { }),
            } };
        Refused(
            Spec(s => s with { InitContainers = [probed] }) with
            {
                Status = pod.Status with
                {
                    InitContainerStatuses = [pod.Status.ContainerStatuses![0] with { Name = "proxy" }],
                },
            },
            Reasons.PodNotMigratable,
            "startupProbe");
        var shared =
            new Dictionary<string, JsonElement> { ["shareProcessNamespace"] = JsonSerializer.SerializeToElement(true) };
        Refused(Spec(s => s with { More = shared }), Reasons.PodNotMigratable, "shareProcessNamespace");
        Refused(Spec(s => s with { More = Json("hostIPC", "true") }), Reasons.PodNotMigratable, "hostIPC");
        Refused(Spec(s => s with { More = Json("hostUsers", "false") }), Reasons.PodNotMigratable, "hostUsers is");
        PodObstacles.Of(Spec(s => s with { More = Json("hostUsers", "true") })).Should().BeEmpty();
        Refused(
            Spec(s => s with { More = Json("resourceClaims", """[{"name":"gpu"}]""") }),
            Reasons.PodNotMigratable,
            "devices of its node");
        Refused(Spec(s => s with { Containers =
        [
            s.Containers[0] with { More = Json("volumeDevices", """[{"name":"d","devicePath":"/dev/d"}]""") },
        ] }), Reasons.PodNotMigratable, "volumeDevices");
        Refused(
            Of("StatefulSet", "apps/v1"), Reasons.PodNotMigratable,
            "StatefulSet web, which knows its pods by their names");
        Refused(Of("DaemonSet", "apps/v1"), Reasons.PodNotMigratable, "on every node");
        Refused(Of("Job", "batch/v1"), Reasons.PodNotMigratable, "wait for its end");
        Refused(Of("ReplicaSet", "example.com/v1"), Reasons.PodNotMigratable, "which would replace it");
    }

    [TestCase("ephemeral", """{"volumeClaimTemplate":{}}""", "made anew for each pod")]
    [TestCase("csi", """{"driver":"scratch.example.com"}""", "by CSI")]
    [TestCase("csi", """{"driver":"secrets-store.csi.k8s.io","readOnly":true}""", null)]
    [TestCase("iscsi", """{"lun":1}""", "one node at a time")]
    [TestCase("rbd", """{"readOnly":true}""", null)]
    [TestCase("nfs", """{"server":"s","path":"/"}""", null)]
    [TestCase("persistentVolumeClaim", """{"claimName":"c"}""", null)]
    [TestCase("projected", """{"sources":[]}""", null)]
    public void A_volume_travels_where_its_content_is_the_same_on_both_nodes(
        string kind, string source, string? message)
    {
        var pod = Spec(s => s with { Volumes = [new V1Volume { Name = "v", More = Json(kind, source) }] });
        if (message is null)
        {
            PodObstacles.Of(pod).Should().BeEmpty();
        }
        else
        {
            Refused(pod, Reasons.PodNotMigratable, message);
        }
    }

    [Test]
    public void A_pod_of_a_ReplicaSet_can_travel_when_it_is_ready()
    {
        var pod = Of("ReplicaSet", "apps/v1");
        Refused(pod, Reasons.PodNotRunning, "is not ready");
        var ready = pod with { Status = pod.Status! with { Conditions = [new() { Type = "Ready", Status = "True" }] } };
        PodObstacles.Of(ready).Should().BeEmpty();
    }

    [Test]
    public void A_target_that_will_never_wait_is_given_up_at_once()
    {
        MigrationValidation.OfReceiver(Running()).Should().BeNull();
        MigrationValidation.OfReceiver(Running() with { Status = new V1PodStatus { Phase = "Failed" } })!
            .Message.Should().Be("the target pod p ended before it was restored");
        var stuck = new V1ContainerStatus
        {
            Name = "c", State = new V1ContainerState
            {
                Waiting = new V1ContainerStateWaiting { Reason = "ErrImageNeverPull", Message = "not present" },
            },
        };
        MigrationValidation.OfReceiver(Running() with { Status = new V1PodStatus { ContainerStatuses = [stuck] } })!
            .Message.Should().Contain("ErrImageNeverPull: not present");
    }

    [TestCase("ErrImagePull", Reasons.ImageNotPulled)]
    [TestCase("ImagePullBackOff", Reasons.ImageNotPulled)]
    [TestCase("InvalidImageName", Reasons.ImageNotPulled)]
    [TestCase("CreateContainerConfigError", Reasons.NodeNotCapable)]
    [TestCase("ContainerCreating", null)]
    [TestCase("CreateContainerError", null)]
    public void What_kubelet_waits_for_says_whether_the_target_will_ever_wait(string waits, string? reason)
    {
        var status = new V1ContainerStatus
        {
            Name = "c", State = new V1ContainerState
            {
                Waiting = new V1ContainerStateWaiting { Reason = waits, Message = "manifest unknown" },
            },
        };
        var refusal = MigrationValidation.OfReceiver(
            Running() with { Status = new V1PodStatus { ContainerStatuses = [status] } });

        refusal?.Reason.Should().Be(reason);
        (refusal?.Message.Contains($"{waits}: manifest unknown") ?? reason is null).Should().BeTrue();
    }

    [Test]
    public void A_restored_container_does_not_run_its_post_start_hook_again()
    {
        var hooks = JsonSerializer.SerializeToElement(
            new { postStart = new { exec = new { } }, preStop = new { exec = new { } } });
        var pod = Spec(
            s => s with { Containers =
            [
                s.Containers[0] with { More = new Dictionary<string, JsonElement> { ["lifecycle"] = hooks } },
            ] });

        Target(pod).Spec.Containers[0].More!["lifecycle"].EnumerateObject().Select(p => p.Name)
            .Should().Equal("preStop");
    }

    [Test]
    public void A_target_asks_no_registry_for_what_is_at_hand()
    {
        var pod = Spec(s => s with { Containers = [s.Containers[0] with { More = new Dictionary<string, JsonElement>
        {
            ["imagePullPolicy"] = JsonSerializer.SerializeToElement("Always"),
            ["tty"] = JsonSerializer.SerializeToElement(false),
        } }] });
        var image = new TargetImage(pod.Spec.Containers[0].Name, "i@sha256:aa", false, null);

        PolicyIn(Target(pod, image)).Should().Be("Always", "it is asked before anything stands still");
        PolicyIn(Target(pod, image with { IsAtHand = true })).Should().Be("IfNotPresent");

        static string? PolicyIn(V1Pod target) => target.Spec.Containers[0].More!["imagePullPolicy"].GetString();
    }

    [Test]
    public void A_target_has_the_sidecars_but_neither_what_has_ended_nor_what_was_put_in_for_debugging()
    {
        var pod = Spec(s => s with
        {
            InitContainers = [new V1Container
            {
                Name = "once",
            }, new V1Container { Name = "proxy", RestartPolicy = "Always" }],
            More = new Dictionary<string, JsonElement>
            {
                ["ephemeralContainers"] = JsonSerializer.SerializeToElement(new[] { new { name = "debugger" } }),
                ["priority"] = JsonSerializer.SerializeToElement(7),
            },
        });

        pod.EphemeralContainers().Should().Equal("debugger");
        pod.LivingContainers().Select(c => c.Name).Should().Equal("proxy", "c");
        var target = Target(pod);
        target.Spec.InitContainers!.Select(c => c.Name).Should().Equal("proxy");
        target.Spec.More!.Keys.Should().Equal("priority");
    }

    [Test]
    public void What_this_version_does_not_do_is_refused_and_not_ignored()
    {
        Of(new PodMigrationSpec()).Should().BeEmpty();
        Of(new PodMigrationSpec { TcpPolicy = TcpPolicies.Established, ServiceName = "web" })
            .Should().Equal(("tcpPolicy", Reasons.AddressNotKept));
        Of(new PodMigrationSpec { OnFailure = OnFailurePolicies.Leave }).Should().BeEmpty();
        Of(new PodMigrationSpec { OnFailure = OnFailurePolicies.Leave }, new V1Probe { PeriodSeconds = 5 })
            .Should().Equal(("onFailure", Reasons.PodNotMigratable));

        static IEnumerable<(string, string)> Of(PodMigrationSpec spec, V1Probe? liveness = null)
        {
            var pod = Running();
            var probed =
                pod with { Spec = pod.Spec with
                {
                    Containers = [pod.Spec.Containers[0] with { LivenessProbe = liveness }],
                } };
            return MigrationObstacles.Of(spec, probed).Select(o => (o.Field, o.Reason));
        }
    }

    [Test]
    public void Every_obstacle_is_told_under_its_word()
    {
        var (a, b) = (new Obstacle(Reasons.PodNotMigratable, "a"), new Obstacle(Reasons.PodNotMigratable, "b"));
        Obstacle.Tell([a, b]).Should().Be("a; b");
        Obstacle.Tell([a, new Obstacle(Reasons.KernelTooOld, "c"), b])
            .Should().Be("PodNotMigratable: a; b; KernelTooOld: c");
    }

    [Test]
    public void A_target_has_no_overhead_of_its_sources_runtime_class()
    {
        var pod = Running();
        var more = new Dictionary<string, JsonElement>
        {
            ["overhead"] = JsonSerializer.SerializeToElement(new { cpu = "100m" }),
            ["hostname"] = JsonSerializer.SerializeToElement("h"),
        };

        Target(pod with { Spec = pod.Spec with { More = more } }).Spec.More!.Keys.Should().Equal("hostname");
    }

    [Test]
    public void Of_two_migrations_of_one_pod_the_earlier_goes_on()
    {
        var first = Migration("a", 1);
        var second = Migration("b", 2);
        MigrationValidation.OfOthers(first, [first, second]).Should().BeNull();
        MigrationValidation.OfOthers(second, [first, second])!.Reason.Should().Be(Reasons.MigrationInProgress);
        var done = first with { Status = new PodMigrationStatus { CompletionTime = DateTime.UnixEpoch } };
        MigrationValidation.OfOthers(second, [done, second]).Should().BeNull();
    }

    [Test]
    public async Task A_call_outlives_the_run_that_began_it_and_wakes_the_next()
    {
        var calls = new PendingCalls(TaskScheduler.Default, new SoleLeader(), CancellationToken.None);
        var answer = new TaskCompletionSource<string>();
        var woken = new TaskCompletionSource();
        string? Ask() => calls.Ask("m/1/call", _ => answer.Task, woken.SetResult);

        Ask().Should().BeNull();
        answer.SetResult("done");
        await woken.Task;
        Ask().Should().Be("done");
        Ask().Should().Be("done", "until it is forgotten");
    }

    [Test]
    public async Task A_failed_call_is_told_once_and_then_begun_again()
    {
        var calls = new PendingCalls(TaskScheduler.Default, new SoleLeader(), CancellationToken.None);
        var woken = new SemaphoreSlim(0);
        var begun = 0;
        string? Ask() => calls.Ask<string>(
            "k",
            _ => ++begun == 1 ? throw new AgentException("Reason", "no", isTerminal: false) : Task.FromResult("yes"),
            () => woken.Release());

        Ask().Should().BeNull();
        await woken.WaitAsync();
        FluentActions.Invoking(Ask).Should().Throw<AgentException>();
        Ask();
        await woken.WaitAsync();
        Ask().Should().Be("yes");
    }

    private static V1Pod Target(V1Pod pod, params TargetImage[] images)
    {
        var migration = Migration("m", 1);
        migration =
            migration with { Metadata = migration.Metadata with { Uid = "7c9e6679-7425-40de-944b-e07fc1f90ae7" } };
        return TargetPod.From(
            pod, new MigrationScope(migration, null, () => { }, DateTime.UnixEpoch), "shared://u/c", images);
    }

    private static void Refused(V1Pod pod, string reason, string word)
    {
        var found = PodObstacles.Of(pod).ToList();
        found[0].Reason.Should().Be(reason);
        Obstacle.Tell(found).Should().Contain(word);
    }

    private static V1Pod Of(string kind, string version)
    {
        var owner =
            new V1OwnerReference { ApiVersion = version, Kind = kind, Name = "web", Uid = "u", Controller = true };
        return Running() with { Metadata = Running().Metadata with { OwnerReferences = [owner] } };
    }

    private static Dictionary<string, JsonElement> Json(
        string field, string value) => new() { [field] = JsonDocument.Parse(value).RootElement };

    private static V1Pod Spec(Func<V1PodSpec, V1PodSpec> change) => Running() with { Spec = change(Running().Spec) };

    private static V1Pod Running() => new()
    {
        Metadata = new V1ObjectMeta { Name = "p", NamespaceProperty = "ns", Uid = "u" },
        Spec = new V1PodSpec { NodeName = "a", Containers = [new V1Container { Name = "c" }] },
        Status = new V1PodStatus
        {
            Phase = "Running",
            ContainerStatuses =
            [
                new V1ContainerStatus { Name = "c", State = new V1ContainerState { Running = new() } },
            ],
        },
    };

    private static PodMigration Migration(string name, int second) => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = name,
            NamespaceProperty = "ns", Uid = name, CreationTimestamp = DateTime.UnixEpoch.AddSeconds(second),
        },
        Spec = new PodMigrationSpec { PodName = "p" },
    };
}
