using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Unit.Api;

/// <summary>Which claims of a pod a second node can have while the first one has them.</summary>
[TestFixture]
public sealed class MountedClaimTests
{
    private const string Both =
        """{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"zone","operator":"In","values":["x","y"]}]}]}}""";

    [TestCase("ReadWriteMany", false)]
    [TestCase("ReadWriteOnce,ReadWriteMany", false)]
    [TestCase("ReadOnlyMany", false)]
    [TestCase("ReadWriteOnce,ReadOnlyMany", true)]
    public async Task What_two_nodes_can_mount_at_once_is_no_obstacle(string modes, bool readOnly) =>
        (await ReadAsync(Claim("Bound"), Volume(modes), readOnly)).Obstacle().Should().BeNull();

    [TestCase("ReadWriteOnce", false, "accessModes ReadWriteOnce: one node at a time can have it")]
    [TestCase("ReadWriteOnce", true, "accessModes ReadWriteOnce: one node at a time can have it")]
    [TestCase("ReadWriteOncePod", false, "accessModes ReadWriteOncePod, and the claim is for one pod at a time")]
    [TestCase(
        "ReadWriteOnce,ReadOnlyMany", false,
        "accessModes ReadWriteOnce, ReadOnlyMany: two nodes can have it for reading only; set "
            + "persistentVolumeClaim.readOnly")]
    public async Task What_one_node_at_a_time_can_have_is_refused_with_volume_claim_modes_and_remedy(
        string modes, bool readOnly, string why)
    {
        var (reason, message) = (await ReadAsync(Claim("Bound"), Volume(modes), readOnly)).Obstacle()!;

        reason.Should().Be(Reasons.VolumeNotShared);
        message
            .Should().StartWith(
                "spec.volumes \"data\" mounts claim c, whose volume pv has ").And.Contain(why).And.EndWith(
            "use a claim with ReadWriteMany");
    }

    [Test]
    public async Task A_claim_for_one_pod_is_refused_whatever_its_volume_could_do() =>
        (await ReadAsync(Claim("Bound", "ReadWriteOncePod"), Volume("ReadWriteMany"))).Obstacle()!
            .Reason.Should().Be(Reasons.VolumeNotShared);

    [Test]
    public async Task A_claim_for_less_than_its_volume_can_do_is_no_obstacle() =>
        (await ReadAsync(Claim("Bound", "ReadWriteOnce"), Volume("ReadWriteOnce,ReadWriteMany"))).Obstacle()
            .Should().BeNull("the volume decides about a second node");

    [Test]
    public async Task A_claim_that_is_not_bound_is_refused()
    {
        await RefusesAsync(null, null, "which does not exist");
        await RefusesAsync(Claim("Pending"), null, "which is Pending and not Bound; see kubectl describe pvc c");
        await RefusesAsync(Claim("Lost"), null, "which is Lost and not Bound");
        await RefusesAsync(Claim("Bound"), null, "whose volume pv does not exist");
        var leaving = Claim("Bound");
        await RefusesAsync(
            leaving with { Metadata = leaving.Metadata with { DeletionTimestamp = DateTime.UnixEpoch } },
            Volume("ReadWriteMany"),
            "which is being deleted");

        static async Task RefusesAsync(V1PersistentVolumeClaim? claim, V1PersistentVolume? volume, string why)
        {
            var (reason, message) = (await ReadAsync(claim, volume)).Obstacle()!;
            reason.Should().Be(Reasons.ClaimNotBound);
            message.Should().Contain(why);
        }
    }

    [Test]
    public async Task A_folder_of_the_node_is_refused_whatever_modes_it_is_given() =>
        (await ReadAsync(Claim("Bound"), Volume("ReadWriteMany", """ "hostPath":{"path":"/srv"} """))).Obstacle()!
            .Should().Match<Obstacle>(o => o.Reason == Reasons.VolumeNotShared && o.Message.Contains("a hostPath"));

    [TestCase("y", null)]
    [TestCase("z", "whose volume pv has nodeAffinity zone In x,y, which node b does not meet")]
    public async Task A_node_that_the_volumes_affinity_leaves_out_is_refused(string zone, string? why)
    {
        var claim = await ReadAsync(Claim("Bound"), Volume("ReadWriteMany", "\"nodeAffinity\":" + Both));
        var node = new V1Node
        {
            Metadata = new V1ObjectMeta { Name = "b", Labels = new Dictionary<string, string> { ["zone"] = zone } },
        };

        claim.Obstacle().Should().BeNull();
        if (why is null)
        {
            claim.Obstacle(node).Should().BeNull();
        }
        else
        {
            claim.Obstacle(node).Should().Match<Obstacle>(o =>
                o.Reason == Reasons.VolumeNotReachable && o.Message.Contains(why));
        }
    }

    [Test]
    public async Task A_volume_without_affinity_is_anywhere() =>
        (await ReadAsync(Claim("Bound"), Volume("ReadWriteMany")))
            .Obstacle(new V1Node { Metadata = new V1ObjectMeta { Name = "b" } })
            .Should().BeNull();

    [Test]
    public void A_pod_without_claims_has_none() =>
        MountedClaim.Of(KubernetesJson.Deserialize<V1Pod>(
            """{"spec":{"volumes":[{"name":"e","emptyDir":{}},{"name":"m","configMap":{"name":"x"}}]}}"""))
            .Should().BeEmpty();

    private static Task<MountedClaim> ReadAsync(
        V1PersistentVolumeClaim? claim, V1PersistentVolume? volume, bool readOnly = false)
    {
        var pod = KubernetesJson.Deserialize<V1Pod>(
            $$$"""{"spec":{"volumes":[{"name":"data","persistentVolumeClaim":{"claimName":"c","readOnly":{{{(readOnly ? "true" : "false")}}}}}]}}""");
        return MountedClaim.Of(pod).Single().ReadAsync(
            "ns", (space, name) => Task.FromResult((space, name) == ("ns", "c") ? claim : null),
            name => Task.FromResult(name == "pv" ? volume : null));
    }

    // As the API server sends them.
    private static V1PersistentVolumeClaim Claim(string phase, string mode = "ReadWriteMany") =>
        KubernetesJson.Deserialize<V1PersistentVolumeClaim>(
            $$$"""{"metadata":{"name":"c"},"spec":{"accessModes":["{{{mode}}}"]{{{(phase == "Pending" ? "" : ",\"volumeName\":\"pv\"")}}}},"status":{"phase":"{{{phase}}}"}}""");

    private static V1PersistentVolume Volume(string modes, string more = "\"capacity\":{}") =>
        KubernetesJson.Deserialize<V1PersistentVolume>(
            $$$"""{"metadata":{"name":"pv"},"spec":{"accessModes":["{{{modes.Replace(",", "\",\"", StringComparison.Ordinal)}}}"],{{{more}}}}}""");
}
