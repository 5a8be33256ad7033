using System.Diagnostics;
using System.Text.Json.Nodes;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Kubectl;

/// <summary>Commands that look at pods, nodes, checkpoints and Deployments, and the pods that restores make.</summary>
internal sealed class ObjectTests() : PluginTests("object")
{
    [OneTimeSetUp]
    public async Task MakeNodesAsync()
    {
        foreach (var (node, runtime) in new[] { ("node-a", "cri-o://1.36.0"),
            ("node-b", "cri-o://1.36.0"), ("node-c", "containerd://2.2.0") })
        {
            await ApplyAsync($$$"""{apiVersion: v1, kind: Node, metadata: {name: {{{node}}}}}""");
            await SetStatusAsync("node", node, new
            {
                conditions = new[] { new { type = "Ready", status = node == "node-c"
                    ? "False"
                    : "True", reason = "KubeletNotReady" } },
                nodeInfo = new { architecture = "amd64", containerRuntimeVersion = runtime, kernelVersion = "6.12" },
            });
        }
    }

    [Test]
    public async Task Finds_nothing_against_a_plain_pod()
    {
        await RunAsync("plain");

        var said = await KubectlAsync("podmigration", "check", "plain", "--to", "node-b");

        said.Code.Should().Be(0, said.Output + said.Error);
        said.Output.Should().MatchRegex(@"pod +ok +runs on node-a; 1 container\(s\)")
            .And.MatchRegex("container runtime +ok +cri-o on both nodes")
            .And.MatchRegex("agent of node-b +unknown +no DaemonSet's pod has the label")
            .And.Contain("Nothing that can be seen from here keeps pod plain from being moved.")
            .And.Contain("Not seen from here: the kubelets' checkpoint endpoint, CRIU");
    }

    [Test]
    public async Task Names_every_obstacle_with_its_field()
    {
        await RunAsync("awkward", ", hostPID: true, volumes: [{name: host, hostPath: {path: /tmp}}]");

        var said = await KubectlAsync("podmigration", "check", "awkward", "--to", "node-c");
        var quiet = await KubectlAsync("podmigration", "check", "awkward", "-q");

        said.Code.Should().Be(1);
        said.Output.Should().Contain("spec.hostPID is true").And.Contain("spec.volumes \"host\" is a hostPath")
            .And.MatchRegex("target node +no +node-c is not ready: KubeletNotReady")
            .And.Contain("cri-o on node-a, containerd on node-c").And.Contain("Pod awkward cannot be moved like this.");
        quiet.Should().Be(new Said(1, "", ""));
    }

    [Test]
    public async Task Says_whether_the_target_takes_the_pod_and_its_Service_follows_it()
    {
        await RunAsync("picky", ", nodeSelector: {disk: fast}");
        await ApplyAsync(
            "{apiVersion: v1, kind: Service, metadata: {name: elsewhere}, spec: {selector: {app: other}, ports: "
                + "[{port: 80}]}}");

        var said = await KubectlAsync("podmigration", "check", "picky", "--to", "node-b", "--service", "elsewhere");
        var free = await KubectlAsync("podmigration", "check", "picky", "--service", "nowhere");

        said.Code.Should().Be(1);
        said.Output.Should().MatchRegex(
            "target node +no +node node-b does not have the label disk=fast of the pod's nodeSelector")
            .And.MatchRegex("--service +no +Service elsewhere selects app=other");
        free.Output.Should().MatchRegex("target node +no +node node-b does not have the label disk=fast")
            .And.MatchRegex("--service +no +Service nowhere does not exist in namespace object");
    }

    [Test]
    public async Task Says_which_other_pods_keep_it_away()
    {
        const string apart =
            ", affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: "
                + "{matchLabels: {app: quorum}}, topologyKey: kubernetes.io/hostname}]}}";
        await RunAsync("first", apart);
        await KubectlAsync("label", "pod", "first", "app=quorum");
        await ApplyAsync(
            "{apiVersion: v1, kind: Pod, metadata: {name: second, labels: {app: quorum}}, spec: {nodeName: node-b, "
                + "containers: [{name: main, image: x}]}}");

        var named = await KubectlAsync("podmigration", "check", "first", "--to", "node-b");
        var free = await KubectlAsync("podmigration", "check", "first");
        var second = await KubectlAsync("podmigration", "check", "second", "--to", "node-a");
        await KubectlAsync("delete", "pod", "second", "--force");
        var alone = await KubectlAsync("podmigration", "check", "first", "--to", "node-b");

        named.Code.Should().Be(1);
        named.Output.Should().MatchRegex(
            "target node +no +pod first may not be on node node-b: its required anti-affinity keeps it away from pod "
                + "object/second");
        free.Code.Should().Be(1);
        free.Output.Should().Contain("keeps it away from pod object/second");
        second.Output.Should().MatchRegex(
            "target node +no +pod second may not be on node node-a: pod object/first keeps it away by required "
                + "anti-affinity");
        alone.Code.Should().Be(0, alone.Output);
    }

    [TestCase("WouldMigrate", "Completed", 0, "operator +ok +pod asked could move[^$]*Pod asked can be moved.\n")]
    [TestCase(
        "WouldFail", "Failed", 1,
        "KernelTooOld +no +older\nNotEnoughSpace +no +full; fuller\n[^$]*Pod asked cannot be moved like this.\n")]
    public async Task Has_the_operator_say_it_by_a_dry_run_that_goes_again(
        string outcome, string phase, int code, string pattern)
    {
        var message = code == 0 ? "pod asked could move" : "KernelTooOld: older; NotEnoughSpace: full; fuller";
        using var check = Start("podmigration", "check", "asked", "--to", "node-b", "--tcp-policy", "Reject", "--ask");
        var name = await Wait.UntilAsync(
            async () =>
            {
                check.HasExited.Should().BeFalse();
                return (await KubectlAsync(
                    "get", "podmigration", "-o",
                    "jsonpath={.items[?(@.spec.podName==\"asked\")].metadata.name}")).Output;
            },
            name => name.Length > 0);

        (await GetAsync("podmigration", name))["spec"]!.ToJsonString().Should().Be(
            """{"dryRun":true,"podName":"asked","targetNode":"node-b","tcpPolicy":"Reject","ttlSecondsAfterFinished":600}""");
        await SetStatusAsync("podmigration", name, new
        {
            phase, outcome, message, startTime = "2026-11-21T08:00:00Z", completionTime = "2026-11-21T08:00:01Z",
            conditions = new[] { new { type = "Ready", status = code == 0
                ? "True"
                : "False", reason = "KernelTooOld", message, lastTransitionTime = "2026-11-21T08:00:01Z" } },
        });
        var output = await check.StandardOutput.ReadToEndAsync();
        await check.WaitForExitAsync();

        check.ExitCode.Should().Be(code, await check.StandardError.ReadToEndAsync());
        output.Should().MatchRegex(pattern).And.NotContain("Not seen from here");
        (await KubectlAsync("get", "podmigration", name)).Error.Should().Contain("NotFound");
    }

    [Test]
    public async Task Says_that_a_pod_or_a_node_does_not_exist()
    {
        await RunAsync("lonely");

        (await KubectlAsync("podmigration", "check", "nobody"))
            .Should().Be(new Said(3, "", "error: from server (NotFound): pods \"nobody\" not found\n"));
        (await KubectlAsync("podmigration", "check", "lonely", "--to", "node-x")).Output
            .Should().Contain("node-x does not exist");
        (await KubectlAsync("podmigration", "status", "nothing")).Code.Should().Be(3);
        (await KubectlAsync("podmigration", "inspect", "nothing")).Error.Should().Contain("\"nothing\" not found");
    }

    [Test]
    public async Task Inspects_a_checkpoint()
    {
        await ApplyAsync(
            "{apiVersion: lpm.my.domain/v1, kind: PodCheckpoint, metadata: {name: seen}, spec: {podName: web, "
                + "deletionPolicy: Retain}}");
        var uid = (string)(await GetAsync("podcheckpoint", "seen"))["metadata"]!["uid"]!;
        const string id =
            "20261121t080000z-0b1c2d", pod = "0b1c2d3e-0000-4000-8000-000000000000", digest = "sha256:" + Hex;
        await ApplyAsync($$"""
            apiVersion: lpm.my.domain/v1
            kind: PodCheckpointContent
            metadata: {name: pcpc-seen}
            spec:
              podCheckpointRef: {namespace: object, name: seen, uid: {{uid}}}
              deletionPolicy: Retain
              source: {podNamespace: object, podName: web, podUID: {{pod}}, nodeName: node-a, checkpointID: {{id}}}
            ---
            apiVersion: lpm.my.domain/v1
            kind: ContainerCheckpoint
            metadata: {name: seen-main, ownerReferences: [{apiVersion: lpm.my.domain/v1, kind: PodCheckpoint, name: seen, uid: {{uid}}, controller: true}]}
            spec: {podName: web, containerName: main, podUID: {{pod}}, checkpointID: {{id}}}
            """);
        var part = (string)(await GetAsync("containercheckpoint", "seen-main"))["metadata"]!["uid"]!;
        await ApplyAsync($$"""
            apiVersion: lpm.my.domain/v1
            kind: ContainerCheckpointContent
            metadata: {name: ccpc-seen}
            spec:
              containerCheckpointRef: {namespace: object, name: seen-main, uid: {{part}}}
              deletionPolicy: Retain
              source: {podNamespace: object, podName: web, podUID: {{pod}}, nodeName: node-a, checkpointID: {{id}}, containerName: main}
              artifactURI: shared://{{pod}}/{{id}}/main/dump.tar.zst
            """);
        await SetStatusAsync("containercheckpointcontent", "ccpc-seen", new
        {
            ready = true, size = 4096, compressedSize = 2048, digest, compressedDigest = digest, runtime = "cri-o 1.36.0", criuVersion = "4.2", imageReference = "busybox:1",
            stoppedAt = "2026-11-21T08:00:00.123456Z",
        });
        await SetStatusAsync(
            "containercheckpoint",
            "seen-main",
            new { ready = true, boundContentName = "ccpc-seen", size = 2048, artifactURI = $"shared://{pod}/{id}/main/dump.tar.zst", digest });
        await SetStatusAsync(
            "podcheckpointcontent", "pcpc-seen", new { ready = true, artifactURI = $"shared://{pod}/{id}" });
        await SetStatusAsync(
            "podcheckpoint",
            "seen",
            new { ready = true, boundContentName = "pcpc-seen", checkpointID = id, podUID = pod, nodeName = "node-a", containers = new[]
            {
                "main",
            }, size = 2048 });

        var said = await KubectlAsync("podmigration", "inspect", "seen");

        said.Code.Should().Be(0, said.Error);
        said.Output.Should().MatchRegex("Result: +Ready").And.MatchRegex(
            "Binding: +both ways; content and bytes stay when it is deleted \\(policy Retain\\)")
            .And.MatchRegex($"Artifact: +shared://{pod}/{id}\n")
            .And.MatchRegex(
                $@"main +True +4\.0 KiB +2\.0 KiB +{digest} +busybox:1 +cri-o 1\.36\.0 +4\.2 +2026-11-21 08:00:00\.123Z");
    }

    [Test]
    public async Task Moves_a_Deployments_pods_in_turn_and_shows_the_operators_refusal()
    {
        await MakeDeploymentAsync();
        var plan = await KubectlAsync(
            "podmigration", "deployment", "shop", "--from", "node-a", "--to", "node-b", "--plan");
        using var move =
            Start("podmigration", "deployment", "shop", "--from", "node-a", "--to", "node-b", "--retention", "Retain");
        var created = (await move.StandardOutput.ReadLineAsync())!.Split(' ')[0].Split('/')[1];
        var spec = (await GetAsync("podmigration", created))["spec"]!;

        await SetStatusAsync("podmigration", created, new
        {
            phase = "Failed", message = "pod shop-1 belongs to ReplicaSet shop", startTime = "2026-11-21T08:00:00Z", completionTime = "2026-11-21T08:00:01Z",
            conditions = new[]
            {
                new { type = "Ready", status = "False", reason = "PodNotMigratable", message = "pod shop-1 belongs to ReplicaSet shop", lastTransitionTime = "2026-11-21T08:00:00Z" },
            },
        });
        var output = await move.StandardOutput.ReadToEndAsync();
        await move.WaitForExitAsync();

        plan.Should().Be(new Said(0, "pod/shop-1: node-a -> node-b\npod/shop-2: node-a -> node-b\n", ""));
        created.Should().StartWith("shop-1-");
        ((string)spec["podName"]!, (string)spec["targetNode"]!, (string)spec["checkpointRetention"]!)
            .Should().Be(("shop-1", "node-b", "Retain"));
        spec["podUID"].Should().NotBeNull("a namesake is another pod");
        move.ExitCode.Should().Be(1);
        output.Should().MatchRegex(
            $"shop-1 +{created} +Failed, PodNotMigratable +pod shop-1 belongs to ReplicaSet shop\n")
            .And.MatchRegex("shop-2 +not begun\n");
        (await KubectlAsync("podmigration", "list", "--pod", "shop-2")).Error
            .Should().Be("No migrations found in namespace object.\n");
        var wrong = await KubectlAsync("podmigration", "deployment", "shop", "--from", "node-b", "--to", "node-a");
        wrong.Should().Be(
            new Said(3, "", "error: Deployment shop has no pod on --from node-b; its pods are on: node-a\n"));
    }

    [Test]
    public async Task Restores_a_pod_from_a_checkpoint()
    {
        await RunAsync(
            "origin", ", initContainers: [{name: once, image: busybox}]",
            "labels: {app: web, pod-template-hash: abc}, ");
        await CheckpointAsync("origin");
        using var restore = Start("podmigration", "restore", "origin", "--name", "clone", "--to", "node-b", "--wait");
        (await restore.StandardOutput.ReadLineAsync()).Should().Be("pod/clone created");
        var clone = await GetAsync("pod", "clone");
        await KubectlAsync("annotate", "pod", "clone", "lpm.my.domain/restore-outcome=Restored");
        await restore.WaitForExitAsync();

        restore.ExitCode.Should().Be(0, await restore.StandardError.ReadToEndAsync());
        var uid = (string)(await GetAsync("pod", "origin"))["metadata"]!["uid"]!;
        ((string)clone["metadata"]!["annotations"]!["io.kubernetes.cri-o.checkpoint-restore"]!)
            .Should().Be($"shared://{uid}/20261121t080000z-0b1c2d");
        clone["metadata"]!["labels"]!.ToJsonString()
            .Should().Be("""{"app":"web"}""", "no controller may take it for its own");
        ((string)clone["spec"]!["runtimeClassName"]!, (string)clone["spec"]!["nodeName"]!)
            .Should().Be(("checkpoint-restore", "node-b"));
        clone["spec"]!["initContainers"].Should().BeNull();
    }

    [Test]
    public async Task Fails_when_the_operator_refuses_the_restore()
    {
        await RunAsync("refused");
        await CheckpointAsync("refused");
        using var restore = Start("podmigration", "restore", "refused", "--wait", "-q");
        await Wait.UntilAsync(
            () => KubectlAsync(
                "annotate", "pod", "refused-refused", "lpm.my.domain/restore-outcome=RestoreRefused: not yours"),
            said => said.Code == 0);
        await restore.WaitForExitAsync();

        restore.ExitCode.Should().Be(1);
        (await restore.StandardError.ReadToEndAsync())
            .Should().Be("error: pod/refused-refused: RestoreRefused: not yours\n");
    }

    [Test]
    public async Task Restores_from_a_manifest_when_the_pod_is_gone()
    {
        await RunAsync("gone");
        await CheckpointAsync("gone");
        await KubectlAsync("delete", "pod", "gone", "--grace-period=0", "--force");
        using var restore = Start("podmigration", "restore", "gone", "-f", "-", "--dry-run=server", "-o", "json");
        await restore.StandardInput.WriteAsync(
            """
            # the manifest that made the pod
            apiVersion: v1
            kind: Pod
            metadata: {name: gone}
            spec:
              terminationGracePeriodSeconds: 5
              containers:
                - {name: main, image: busybox, command: [sh, -c, "sleep 1"], env: [{name: N, value: "12"}]}
            """);
        restore.StandardInput.Close();

        var pod = JsonNode.Parse(await restore.StandardOutput.ReadToEndAsync())!;
        var missing = await KubectlAsync("podmigration", "restore", "gone");

        ((string)pod["metadata"]!["name"]!, (int)pod["spec"]!["terminationGracePeriodSeconds"]!)
            .Should().Be(("gone", 5));
        ((string)pod["spec"]!["containers"]![0]!["env"]![0]!["value"]!).Should().Be("12");
        missing.Should().Be(new Said(
            3, "",
            "error: the pod that podcheckpoint.lpm.my.domain/gone was made of is gone, and a checkpoint holds no "
            + "manifest: "
            + "give the pod's with --filename FILE (what it was created with, or what kubectl get pod -o yaml said "
            + "while it ran)\n"));
    }

    [Test]
    public async Task Restores_nothing_from_a_checkpoint_that_is_not_whole()
    {
        await ApplyAsync(
            "{apiVersion: lpm.my.domain/v1, kind: PodCheckpoint, metadata: {name: half}, spec: {podName: web}}");

        (await KubectlAsync("podmigration", "restore", "half")).Should().Be(new Said(
            3, "",
            "error: podcheckpoint.lpm.my.domain/half cannot be restored from: Pending: the operator has not seen it "
                + "yet\n"));
    }

    private const string Hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    private async Task RunAsync(string name, string more = "", string meta = "")
    {
        await ApplyAsync(
            $$$"""{apiVersion: v1, kind: Pod, metadata: { {{{meta}}}name: {{{name}}}}, spec: {nodeName: node-a, containers: [{name: main, image: busybox}]{{{more}}}}}""");
        await SetStatusAsync("pod", name, new
        {
            phase = "Running",
            containerStatuses = new[]
            {
                new { name = "main", image = "busybox", imageID = "", ready = true, restartCount = 0, state = new { running = new { } } },
            },
        });
    }

    private async Task CheckpointAsync(string pod)
    {
        await ApplyAsync(
            $$$"""{apiVersion: lpm.my.domain/v1, kind: PodCheckpoint, metadata: {name: {{{pod}}}}, spec: {podName: {{{pod}}}}}""");
        var uid = (string)(await GetAsync("pod", pod))["metadata"]!["uid"]!;
        await SetStatusAsync("podcheckpoint", pod, new
        {
            ready = true, boundContentName = "pcpc-"
                + pod, checkpointID = "20261121t080000z-0b1c2d", podUID = uid, nodeName = "node-a", containers = new[]
                {
                    "main",
                },
        });
    }

    private async Task MakeDeploymentAsync()
    {
        const string template =
            "template: {metadata: {labels: {app: shop}}, spec: {containers: [{name: main, image: busybox}]}}";
        await ApplyAsync(
            $$$"""{apiVersion: apps/v1, kind: Deployment, metadata: {name: shop}, spec: {selector: {matchLabels: {app: shop}}, {{{template}}}}}""");
        var deployment = (string)(await GetAsync("deployment", "shop"))["metadata"]!["uid"]!;
        await ApplyAsync(
            $$$"""{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: shop, labels: {app: shop}, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: shop, uid: {{{deployment}}}, controller: true}]}, spec: {selector: {matchLabels: {app: shop}}, {{{template}}}}}""");
        var set = (string)(await GetAsync("replicaset", "shop"))["metadata"]!["uid"]!;
        var owner =
            $"ownerReferences: [{{apiVersion: apps/v1, kind: ReplicaSet, name: shop, uid: {set}, controller: true}}], ";
        await RunAsync("shop-1", "", "labels: {app: shop}, " + owner);
        await RunAsync("shop-2", "", "labels: {app: shop}, " + owner);
        await RunAsync("shop-stray", "", "labels: {app: shop}, ");
    }
}
