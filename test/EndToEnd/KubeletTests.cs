using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>What the bench's kubelet makes of pods; the product is tested on top of it.</summary>
[TestFixture]
public sealed class KubeletTests : SharedBenchTests
{
    [Test]
    public async Task Configuration_secrets_and_the_pods_own_facts_reach_the_container()
    {
        await Cluster.ApplyAsync("""
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: settings}
            data: {colour: blue}
            ---
            apiVersion: v1
            kind: Secret
            metadata: {name: keys}
            data: {key: c2VjcmV0}
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: sources, labels: {app: sources}}
            spec:
              nodeName: node-a
              restartPolicy: Never
              volumes:
                - {name: settings, configMap: {name: settings}}
                - {name: memory, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
                - name: all
                  projected:
                    sources:
                      - secret: {name: keys, items: [{key: key, path: the/key}]}
                      - downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}
              containers:
                - name: c
                  image: localhost/busybox:1
                  envFrom: [{configMapRef: {name: settings, optional: false}}]
                  env:
                    - {name: KEY, valueFrom: {secretKeyRef: {name: keys, key: key}}}
                    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
                  volumeMounts:
                    - {name: settings, mountPath: /settings}
                    - {name: memory, mountPath: /memory}
                    - {name: all, mountPath: /all, readOnly: true}
                  command: [/bin/sh, -c, 'echo "$colour $KEY $NODE $(cat /settings/colour /all/the/key /all/name) $(stat -f -c %T /memory)"']
            """);
        (await Cluster.WaitAsync("pod", "sources", "{.status.phase}", "Succeeded", "Failed")).Should().Be("Succeeded");

        Cluster.Log("node-a", "sources", "c").Should().Equal("blue secret node-a bluesecretsources tmpfs");
        await Cluster.KubectlAsync("delete", "pod", "sources", "--timeout=180s");
        // The object of a pod that has ended goes before its folders do.
        await Cluster.OnNodeAsync(
            "node-a",
            "for i in $(seq 1200); do grep -q empty-dir/memory /proc/mounts || exit 0; sleep 0.1; done; exit 1");
    }

    [Test]
    public async Task Probes_decide_and_a_restart_remembers_how_the_last_one_ended()
    {
        await Cluster.ApplyAsync("""
            apiVersion: v1
            kind: Pod
            metadata: {name: probes}
            spec:
              nodeName: node-a
              terminationGracePeriodSeconds: 1
              containers:
                - name: web
                  image: localhost/busybox:1
                  command: [/bin/sh, -c, 'mkdir /w; echo hi >/w/ok; exec httpd -f -p 8080 -h /w']
                  startupProbe: {tcpSocket: {port: 8080}, periodSeconds: 1, failureThreshold: 30}
                  readinessProbe: {httpGet: {path: /ok, port: 8080}, periodSeconds: 1}
                - name: dies
                  image: localhost/busybox:1
                  command: [/bin/sh, -c, 'touch /alive; sleep 2; rm /alive; sleep 1000']
                  livenessProbe: {exec: {command: [cat, /alive]}, periodSeconds: 1, failureThreshold: 1}
            """);
        await Cluster.WaitAsync("pod", "probes", "{.status.containerStatuses[0].ready}", "true");
        await Cluster.WaitAsync("pod", "probes", "{.status.containerStatuses[1].restartCount}", "1", "2", "3");
        await Cluster.WaitAsync("pod", "probes", "{.status.containerStatuses[1].lastState.terminated.exitCode}", "137");
    }

    [Test]
    public async Task What_cannot_be_had_is_told_in_the_status()
    {
        await Cluster.ApplyAsync("""
            apiVersion: v1
            kind: Pod
            metadata: {name: absent}
            spec:
              nodeName: node-a
              volumes: [{name: v, configMap: {name: nowhere}}]
              containers:
                - {name: never, image: localhost/nowhere:1, imagePullPolicy: Never}
                - {name: pull, image: localhost/nowhere:1}
                - {name: config, image: localhost/busybox:1, volumeMounts: [{name: v, mountPath: /v}]}
            """);
        foreach (var (index, reason) in new[] { (0, "ErrImageNeverPull"),
            (1, "ImagePullBackOff"), (2, "CreateContainerConfigError") })
        {
            await Cluster.WaitAsync(
                "pod", "absent", $"{{.status.containerStatuses[{index}].state.waiting.reason}}", reason);
        }

        (await Cluster.GetAsync("pod", "absent", "{.status.containerStatuses[2].state.waiting.message}"))
            .Should().Contain("configmap \"nowhere\" not found");
    }

    [TestCase("", 401)]
    [TestCase("Authorization: Bearer wrong", 401)]
    [TestCase("Authorization: Bearer bench-reader", 403)]
    [TestCase("Authorization: Bearer bench-agent", 404)]
    public async Task Its_checkpoint_endpoint_asks_who_calls(string header, int code)
    {
        var answer = await Cluster.OnNodeAsync("node-a", $$"""
            python3 - <<'E'
            import ssl, urllib.request, urllib.error
            request = urllib.request.Request("https://127.0.0.1:10250/checkpoint/default/nobody/c", method="POST")
            header = "{{header}}"
            if header: request.add_header(*header.split(": "))
            try: urllib.request.urlopen(request, context=ssl._create_unverified_context())
            except urllib.error.HTTPError as error: print(error.code, error.read().decode())
            E
            """);
        answer.Should().StartWith(code.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }
}
