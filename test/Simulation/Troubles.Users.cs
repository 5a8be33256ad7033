using System.Text.Json.Nodes;
using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Simulation;

/// <content>What users do to objects.</content>
internal sealed partial class Troubles
{
    public void CreateMigration(string name, string target) => _server.CreateOrGet(new PodMigration
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = "n" },
        Spec = new PodMigrationSpec
        {
            CheckpointRetention = Retains ? DeletionPolicies.Retain : null, PodName = "p", TargetNode = target,
            OnFailure = OnFailure, TimeoutSeconds = OnlyDelay
                ? Forever
                : Timeout, TtlSecondsAfterFinished = Ttl, DryRun = DryRun && name == "m" ? true : null,
        },
    });

    /// <summary>Has rolled back what was left for inspection; false where there is none.</summary>
    public bool AbortWhatWasLeft()
    {
        var left = _server.All<PodMigration>()
            .Where(m => m.Status?.Outcome == Outcomes.Left && m.Spec.Abort != true)
            .ToList();
        left.ForEach(m => Edit(m.Metadata.Name!, json => json["spec"]!["abort"] = true));
        return left.Count > 0;
    }

    /// <summary>The user has no use for his snapshot any more; false where there is none.</summary>
    public bool DropSnapshot()
    {
        var stands = _server.Find<PodCheckpoint>("n", SnapshotName) is { Metadata.DeletionTimestamp: null };
        Delete<PodCheckpoint>(SnapshotName);
        return stands;
    }

    private void Snapshot()
    {
        _server.Changed += (item, _) =>
        {
            if (item is PodCheckpoint { Metadata.Name: SnapshotName, Status.CheckpointID: { } id })
            {
                _world.Snapshots.Add(id);
            }
        };
        _server.CreateOrGet(new PodCheckpoint
        {
            Metadata = new V1ObjectMeta { Name = SnapshotName, NamespaceProperty = "n" },
            Spec = new PodCheckpointSpec { PodName = "p" },
        });
    }

    private void Edit(string name, Action<JsonObject> change)
    {
        if (_server.Find<PodMigration>("n", name) is { } migration)
        {
            _server.Edit(migration, change);
        }
    }

    /// <summary>By a random stream of its own, as <see cref="Faults"/>.</summary>
    private HashSet<int> FinalizersTakenAt(int seed)
    {
        var random = new Random(unchecked((seed * 7919) + 5));
        // One that is deleted, too, is gone at once, with all that it knows: whoever does both answers for it.
        return random.Next(5) != 0
            || _plan.Values.Any(p => p.Name.Contains("deletes the migration", StringComparison.Ordinal))
                ? []
                : [.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => random.Next(300))];
    }

    /// <summary>kubectl patch, with finalizers: [].</summary>
    private void TakeFinalizers()
    {
        _trace.Add("user: takes the finalizers of migrations away");
        foreach (var migration in _server.All<PodMigration>().Where(m => m.Metadata.DeletionTimestamp is null))
        {
            _server.Edit(migration, json => json["metadata"]!["finalizers"] = new JsonArray());
        }
    }

    private void Delete<T>(string name)
        where T : class, k8s.IKubernetesObject<V1ObjectMeta>
    {
        if (_server.Find<T>("n", name) is { } item)
        {
            _server.Delete(item);
        }
    }

    private void Foreground(string name)
    {
        if (_server.Find<PodMigration>("n", name) is { } migration)
        {
            _server.DeleteInForeground(migration);
        }
    }

    private void DeletePod(Func<PodMigration, string?> which)
    {
        if (_server.Find<PodMigration>("n", "m") is { } migration
            && which(migration) is { } name
            && _server.Find<V1Pod>("n", name) is { } pod)
        {
            _world.DeletedByUser.Add(pod.Metadata.Uid!);
            // By force also where its node is cut off: its processes run until kubelet hears of that.
            if (_random.Next(3) == 0)
            {
                _server.Remove(pod);
                _world.DisownDeleted();
            }
            else
            {
                _server.Delete(pod);
            }
        }
    }

    private void DeleteCheckpoint()
    {
        if (_server.All<PodCheckpoint>().FirstOrDefault(
            c => c.Metadata.OwnerReferences?.Any(o => o.Kind == nameof(PodMigration)) == true) is { } checkpoint)
        {
            _server.Delete(checkpoint);
        }
    }

    private void Recreate()
    {
        Delete<PodMigration>("m");
        _waiting.Add((() => _server.Find<PodMigration>("n", "m") is null, () =>
        {
            _trace.Add("user: the migration anew");
            CreateMigration("m", _random.Next(2) == 0 ? "b" : "c");
        }));
    }

    /// <summary>Another pod of that name: nobody's to be stopped, ended or counted for the first.</summary>
    private void Replace()
    {
        DeletePod(_ => "p");
        _waiting.Add((() => _server.Find<V1Pod>("n", "p") is null, () =>
        {
            _trace.Add("user: the pod anew");
            var pod = _server.CreateOrGet(new V1Pod
            {
                Metadata = new V1ObjectMeta { Name = "p", NamespaceProperty = "n" },
                Spec = new V1PodSpec { NodeName = _random.Next(2) == 0
                    ? "a"
                    : "c", Containers = [new V1Container { Name = Namesake }] },
            });
            _world.Namesakes.Add(pod.Metadata.Uid!);
        }));
    }
}
