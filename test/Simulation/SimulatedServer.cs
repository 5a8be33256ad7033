using System.Net;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Simulation;

/// <summary>The API server: what it stores, what it refuses, and what it tells those who watch.</summary>
internal sealed class SimulatedServer(TimeProvider time)
{
    private readonly List<IKubernetesObject<V1ObjectMeta>> _objects = [];
    private long _version;
    private int _uids;

    /// <summary>Is told every change: the object, and whether it is gone.</summary>
    public event Action<IKubernetesObject<V1ObjectMeta>, bool>? Changed;

    /// <summary>Whether no pod is created that is to be started afresh: for a quota, or a policy.</summary>
    public bool RefusesFresh { get; init; }

    public IEnumerable<T> All<T>()
        where T : class => _objects.OfType<T>().ToList();

    /// <summary>Objects whose owner is no more, and that go for it.</summary>
    public List<IKubernetesObject<V1ObjectMeta>> Orphans() => _objects.FindAll(o =>
        o.Metadata is { OwnerReferences: { Count: > 0 } owners, DeletionTimestamp: null }
        && owners.All(r => r.Kind != "ReplicaSet" && !_objects.Exists(other => other.Metadata.Uid == r.Uid)));

    public T? Find<T>(string? scope, string name)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        _objects.OfType<T>().FirstOrDefault(o => o.Metadata.Name == name && o.Metadata.NamespaceProperty == scope);

    public T CreateOrGet<T>(T item)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (Find<T>(item.Metadata.NamespaceProperty, item.Metadata.Name!) is { } there)
        {
            return there;
        }

        Admit(item);
        // Names and checkpoints are called after the beginning of a uid: these differ there, as real ones do.
        var uid = $"{++_uids << 8:x8}-0000-4000-8000-000000000000";
        var created = Copy(item, metadata =>
        {
            metadata["uid"] = uid;
            metadata["generation"] = 1;
            metadata["creationTimestamp"] = time.GetUtcNow().UtcDateTime;
        });
        _objects.Add(created);
        Changed?.Invoke(created, false);
        return created;
    }

    /// <summary>Refuses what it would not create.</summary>
    public T Admit<T>(T item)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        RefusesFresh && item is V1Pod { Metadata.Name: ['p', '-', 'c', ..] }
            ? throw new KubernetesException(HttpStatusCode.Forbidden, new V1Status { Message = "exceeded quota: pods", Reason = "Forbidden" })
            : item;

    public T PatchStatus<T>(T read, JsonObject changes)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var stored = Current(read);
        var json = Json(stored);
        var status = json["status"]?.AsObject() ?? [];
        foreach (var property in typeof(T).GetProperty("Status")!.PropertyType.GetProperties()
            .Where(p => p.GetCustomAttribute<ImmutableOnceSetAttribute>() is not null))
        {
            var name = property.GetCustomAttribute<System.Text.Json.Serialization.JsonPropertyNameAttribute>()?.Name
                ?? JsonNamingPolicy.CamelCase.ConvertName(property.Name);
            if (status[name] is { } old && changes.ContainsKey(name) && !JsonNode.DeepEquals(old, changes[name]))
            {
                throw new InvalidOperationException($"status.{name} is immutable once set: {old} → {changes[name]}");
            }
        }

        foreach (var (name, value) in changes)
        {
            status[name] = value?.DeepClone();
        }

        json["status"] = status.DeepClone();
        return Replace(stored, json);
    }

    /// <summary>A merge patch of the rest of an object, two levels deep.</summary>
    public T Patch<T>(T read, JsonObject patch)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var stored = Current(read);
        var json = Json(stored);
        foreach (var (part, fields) in patch)
        {
            foreach (var (name, value) in fields!.AsObject())
            {
                if (value is JsonObject more && json[part]![name] is JsonObject standing)
                {
                    foreach (var (key, one) in more)
                    {
                        if (one is null)
                        {
                            standing.Remove(key);
                        }
                        else
                        {
                            standing[key] = one.DeepClone();
                        }
                    }
                }
                else
                {
                    json[part]![name] = value?.DeepClone();
                }
            }
        }

        return Replace(stored, json);
    }

    public void SetFinalizers<T>(T read, IEnumerable<string> finalizers)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var json = Json(Current(read));
        json["metadata"]!["finalizers"] = new JsonArray([.. finalizers.Select(f => (JsonNode)f)]);
        var now = Replace(Current(read), json);
        if (now.Metadata.DeletionTimestamp is not null && now.Metadata.Finalizers is null or { Count: 0 } && now is not V1Pod)
        {
            Remove(now);
        }
    }

    /// <summary>Changes anything, as a user or a kubelet does, who read the latest version.</summary>
    public void Edit<T>(T any, Action<JsonObject> change)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (_objects.OfType<T>().FirstOrDefault(o => o.Metadata.Uid == any.Metadata.Uid) is { } stored)
        {
            var json = Json(stored);
            change(json);
            Replace(stored, json);
        }
    }

    public void Delete<T>(T item)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (_objects.FirstOrDefault(o => o.Metadata.Uid == item.Metadata.Uid) is not { } stored)
        {
            return;
        }

        if (stored is V1Pod || stored.Metadata.Finalizers is { Count: > 0 })
        {
            if (stored.Metadata.DeletionTimestamp is null)
            {
                Edit(stored, j => j["metadata"]!["deletionTimestamp"] = time.GetUtcNow().UtcDateTime);
            }

            return;
        }

        Remove(stored);
    }

    /// <summary>As with --cascade=foreground: what an object owns is deleted at once, though the object stays.</summary>
    public void DeleteInForeground(IKubernetesObject<V1ObjectMeta> item)
    {
        Delete(item);
        foreach (var owned in _objects.Where(o => o.Metadata.OwnerReferences?.Any(r => r.Uid == item.Metadata.Uid) == true).ToList())
        {
            DeleteInForeground(owned);
        }
    }

    /// <summary>Takes an object away, and what it owns.</summary>
    public void Remove(IKubernetesObject<V1ObjectMeta> item)
    {
        _objects.RemoveAll(o => o.Metadata.Uid == item.Metadata.Uid);
        Changed?.Invoke(item, true);
        foreach (var owned in _objects.Where(o => o.Metadata.OwnerReferences?.Any(r => r.Uid == item.Metadata.Uid) == true).ToList())
        {
            Delete(owned);
        }
    }

    private T Current<T>(T read)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        _objects.OfType<T>().FirstOrDefault(o => o.Metadata.Uid == read.Metadata.Uid) is { } stored
        && stored.Metadata.ResourceVersion == read.Metadata.ResourceVersion
            ? stored
            : throw new ConflictException($"{read.Metadata.Name} has changed");

    private T Replace<T>(T stored, JsonObject json)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        json["metadata"]!["resourceVersion"] = $"{++_version}";
        var next = (T)json.Deserialize(stored.GetType(), KubernetesJson.Options)!;
        _objects[_objects.FindIndex(o => o.Metadata.Uid == stored.Metadata.Uid)] = next;
        Changed?.Invoke(next, false);
        return next;
    }

    private T Copy<T>(T item, Action<JsonObject> metadata)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var json = Json(item);
        json["metadata"]!["resourceVersion"] = $"{++_version}";
        metadata(json["metadata"]!.AsObject());
        return (T)json.Deserialize(item.GetType(), KubernetesJson.Options)!;
    }

    private static JsonObject Json(IKubernetesObject<V1ObjectMeta> item) =>
        JsonSerializer.SerializeToNode(item, item.GetType(), KubernetesJson.Options)!.AsObject();
}
