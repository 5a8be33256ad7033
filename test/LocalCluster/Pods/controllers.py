"""What the controllers, the scheduler and the ServiceAccount admission of a whole cluster would make of the DaemonSets and
Deployments on stdin (kubectl get -o json): a list of pods, each on a node.

    controllers.py API_SERVER_HOST API_SERVER_PORT NODE...

A service account's token comes from the secret <account>-token, which whoever calls this has made.
"""
import json
import sys

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def pod(owner, name, node, host, port):
    template = json.loads(json.dumps(owner["spec"]["template"]))
    spec = template["spec"]
    spec["nodeName"] = node
    volume = {"name": "service-account", "secret": {"secretName": spec["serviceAccountName"] + "-token"}}
    spec.setdefault("volumes", []).append(volume)
    for container in spec["containers"]:
        container.setdefault("volumeMounts", []).append(
            {"name": volume["name"], "mountPath": ACCOUNT, "readOnly": True})
        container.setdefault("env", []).extend(
            [{"name": "KUBERNETES_SERVICE_HOST", "value": host}, {"name": "KUBERNETES_SERVICE_PORT", "value": port}])
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": owner["metadata"]["namespace"],
            "labels": template["metadata"]["labels"],
            "ownerReferences": [{
                "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"], "controller": True}],
        },
        "spec": spec,
    }


def main(host, port, *nodes):
    pods = []
    for owner in json.load(sys.stdin)["items"]:
        name = owner["metadata"]["name"]
        if owner["kind"] == "DaemonSet":
            pods += [pod(owner, f"{name}-{node}", node, host, port) for node in nodes]
        else:
            pods += [pod(owner, f"{name}-{i}", nodes[i % len(nodes)], host, port) for i in range(owner["spec"]["replicas"])]
    json.dump({"apiVersion": "v1", "kind": "List", "items": pods}, sys.stdout)


main(*sys.argv[1:])
