using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Runtime;
using PodCheckpointing.TestControllers;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Unit.Controllers;

/// <summary>The bench's controllers decide as kube-controller-manager does.</summary>
public sealed class ReplicaSetTests
{
    private static readonly DateTime Now = new(2026, 1, 1, 12, 0, 0, DateTimeKind.Utc);

    [Test]
    public void Gives_up_what_is_worth_least_first()
    {
        var old = Ready("z-old", Now.AddHours(-9));
        V1Pod[] ranked =
        [
            old with { Metadata = Meta(
                "a-unassigned"), Spec = new V1PodSpec(), Status = new V1PodStatus { Phase = "Pending" } },
            old with { Metadata = Meta("b-pending"), Status = new V1PodStatus { Phase = "Pending" } },
            old with { Metadata = Meta("c-not-ready", cost: 99), Status = new V1PodStatus { Phase = "Running" } },
            old with { Metadata = Meta("d-cheap", cost: int.MinValue) },
            old with { Metadata = Meta("e-crowded"), Spec = new V1PodSpec { NodeName = "crowded" } },
            Ready("f-young", Now.AddSeconds(-3)),
            old with { Metadata = Meta(
                "g-restarted"), Status = old.Status! with { ContainerStatuses = [new() { RestartCount = 2 }] } },
            old with { Metadata = Meta("y-same-age") },
            old,
        ];
        var order = new DeletionOrder(p => p.Spec.NodeName == "crowded" ? 2 : 1, Now);

        ranked.Reverse().Order(order).Select(p => p.Metadata.Uid).Should().Equal(ranked.Select(p => p.Metadata.Uid));
    }

    [TestCase("mine", true, false, "Keep")]
    [TestCase("mine", false, false, "Release")]
    [TestCase("mine", false, true, "Ignore")]
    [TestCase("other", true, false, "Ignore")]
    [TestCase(null, true, false, "Adopt")]
    [TestCase(null, true, true, "Ignore")]
    [TestCase(null, false, false, "Ignore")]
    public void Claims_by_owner_and_labels(string? owner, bool matches, bool setGoes, string claim)
    {
        var set = new V1ReplicaSet
        {
            Metadata = new V1ObjectMeta { Uid = "mine", DeletionTimestamp = setGoes ? Now : null },
            Spec = new WorkloadSpec
            {
                Selector = new LabelSelector { MatchLabels = new Dictionary<string, string> { ["app"] = "web" } },
            },
        };
        var pod = new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Labels = new Dictionary<string, string> { ["app"] = matches ? "web" : "debug" },
                OwnerReferences = owner is null ? null : [new V1OwnerReference { Uid = owner, Controller = true }],
            },
        };

        Claims.Of(set, pod).ToString().Should().Be(claim);
    }

    [Test]
    public void Does_nothing_more_until_it_has_seen_what_it_did()
    {
        var set = new ObjectKey("ns", "web");
        var expectations = new Expectations(new HandTime());
        expectations.AreMet(set).Should().BeTrue();
        expectations.Begin(set);
        expectations.Add(set, "new", made: true);
        expectations.Add(set, "old", made: false);

        expectations.Saw(Named("old"), gone: false);
        expectations.Saw(Named("new"), gone: false);
        expectations.AreMet(set).Should().BeFalse("the old one stands as before");

        expectations.Saw(Named("old") with { Metadata = Meta("old") with { DeletionTimestamp = Now } }, gone: false);
        expectations.AreMet(set).Should().BeTrue();
    }

    [TestCase(true, false, true, true)]
    [TestCase(true, true, false, true)]
    [TestCase(false, false, false, false)]
    public void An_endpoint_is_ready_while_its_pod_is_and_stays(
        bool ready, bool terminating, bool endpointReady, bool serving)
    {
        var pod = Ready("p", Now);
        pod = pod with
        {
            Metadata = pod.Metadata with { DeletionTimestamp = terminating ? Now : null },
            Status = pod.Status! with
            {
                PodIP = "10.0.0.1",
                Conditions = [new() { Type = "Ready", Status = ready ? "True" : "False" }],
            },
        };

        EndpointSliceReconciler.Of(pod, alsoNotReady: false).Conditions.Should()
            .Be(new V1EndpointConditions { Ready = endpointReady, Serving = serving, Terminating = terminating });
    }

    private static V1Pod Ready(string uid, DateTime since) => new()
    {
        Metadata = Meta(uid) with { CreationTimestamp = since },
        Spec = new V1PodSpec { NodeName = "n" },
        Status = new V1PodStatus
        {
            Phase = "Running",
            Conditions = [new() { Type = "Ready", Status = "True", LastTransitionTime = since }],
        },
    };

    private static V1Pod Named(string uid) => new() { Metadata = Meta(uid) };

    private static V1ObjectMeta Meta(string uid, int cost = 0) => new()
    {
        Uid = uid, CreationTimestamp = Now.AddHours(-9),
        Annotations = new Dictionary<string, string> { ["controller.kubernetes.io/pod-deletion-cost"] = $"{cost}" },
    };
}
