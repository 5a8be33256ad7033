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
internal sealed class SimulatedServer(TimeProvider time, Random random)
{
    private readonly List<IKubernetesObject<V1ObjectMeta>> _objects = [];
    private long _version;
    private int _uids;

    /// <summary>Is told every change: the object, and whether it is gone.</summary>
    public event Action<IKubernetesObject<V1ObjectMeta>, bool>? Changed;

    /// <summary>Whether no pod is created that is to be started afresh: for a quota, or a policy.</summary>
    public bool RefusesFresh { get; init; }

    /// <summary>Whether a fresh pod is refused at one time and not at another.</summary>
    public bool Wavers { get; set; }

    /// <summary>What a policy of the moment lets nobody create; null: nothing.</summary>
    public Func<IKubernetesObject<V1ObjectMeta>, bool>? Policy { get; set; }

    /// <summary>The version of the last change.</summary>
    public string Version => $"{_version}";

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
        where T : class, IKubernetesObject<V1ObjectMeta> => CreateOrGet(item, out _);

    public T CreateOrGet<T>(T item, out bool isNew)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        isNew = false;
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
        isNew = true;
        Changed?.Invoke(created, false);
        return created;
    }

    /// <summary>Refuses what it would not create.</summary>
    public T Admit<T>(T item)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        Policy?.Invoke(item) == true ? throw Forbidden("denied by a policy")
        : item is V1Pod { Metadata.Name: ['p', '-', 'c', ..] } && (RefusesFresh || (Wavers && random.Next(2) == 0))
            ? throw Forbidden("exceeded quota: pods")
            : item;

    /// <summary>What a caller hears of a request, or an answer, that got lost:
    /// nothing, or somebody in between.</summary>
    /// <summary>How long the server works on a request (kube-apiserver, --request-timeout).</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <summary>The server's clock.</summary>
    public DateTimeOffset Now => time.GetUtcNow();

    /// <summary>What it says to a request that it has not carried out by then.</summary>
    public static KubernetesException GivenUp() => new(
        HttpStatusCode.GatewayTimeout, new V1Status { Message = "Timeout: request did not complete within 1m0s" });

    public Exception WhySilent() => random.Next(4) switch
    {
        0 => new KubernetesException(
            HttpStatusCode.InternalServerError, new V1Status { Message = "etcdserver: request timed out" }),
        1 => new KubernetesException(
            HttpStatusCode.ServiceUnavailable, new V1Status { Message = "apiserver is shutting down" }),
        2 => new KubernetesException(
            HttpStatusCode.TooManyRequests, new V1Status { Message = "too many requests, please try again later" }),
        _ => new HttpRequestException("the API server did not answer"),
    };

    public T PatchStatus<T>(T read, JsonObject changes)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var stored = Current(read);
        var json = Json(stored);
        var status = json["status"]?.AsObject() ?? [];
        foreach (var property in typeof(T).GetProperty("Status")!.PropertyType.GetProperties()
            .Where(p => p.GetCustomAttribute<ImmutableOnceSetAttribute>() is not null))
        {
            var name = NameOf(property);
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
                if (part == "spec"
                    && IsImmutable(typeof(T).GetProperty("Spec")!.PropertyType, name)
                    && !JsonNode.DeepEquals(json[part]![name], value))
                {
                    throw new InvalidOperationException($"spec.{name} of {typeof(T).Name} is immutable");
                }

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

    /// <summary>Who takes the last finalizer of what is being deleted is answered
    /// with the version that it had.</summary>
    public T SetFinalizers<T>(T read, IReadOnlyCollection<string> finalizers)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var stored = Current(read);
        var json = Json(stored);
        json["metadata"]!["finalizers"] = new JsonArray([.. finalizers.Select(f => (JsonNode)f)]);
        if (stored.Metadata.DeletionTimestamp is null)
        {
            return Replace(stored, json);
        }

        if (finalizers.Except(stored.Metadata.Finalizers ?? []).Any())
        {
            throw new InvalidOperationException(
                $"{typeof(T).Name} {stored.Metadata.Name} is being deleted and can get no new finalizers");
        }

        if (finalizers.Count > 0 || stored is V1Pod)
        {
            return Replace(stored, json);
        }

        Vanish(stored);
        return json.Deserialize<T>(KubernetesJson.Options)!;
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

    /// <summary>Deletes what has not changed since it was read; whether it has not.</summary>
    public bool DeleteVersion<T>(T read)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (_objects.OfType<T>().FirstOrDefault(
            o => o.Metadata.Uid == read.Metadata.Uid)?.Metadata.ResourceVersion != read.Metadata.ResourceVersion)
        {
            return false;
        }

        if (read is PodMigration { Status.CompletionTime: null })
        {
            throw new InvalidOperationException(
                $"migration {read.Metadata.Name} is under way, and its time is said to be over");
        }

        Delete(read);
        return true;
    }

    /// <summary>As with --cascade=foreground: what an object owns is deleted at
    /// once, though the object stays.</summary>
    public void DeleteInForeground(IKubernetesObject<V1ObjectMeta> item)
    {
        Delete(item);
        foreach (var owned in _objects.Where(
            o => o.Metadata.OwnerReferences?.Any(r => r.Uid == item.Metadata.Uid) == true)
            .ToList())
        {
            DeleteInForeground(owned);
        }
    }

    /// <summary>Takes an object away that nothing holds, and what it owns; one that is held by
    /// finalizers is only being deleted.</summary>
    public void Remove(IKubernetesObject<V1ObjectMeta> item)
    {
        if (_objects.Find(o => o.Metadata.Uid == item.Metadata.Uid) is not { } stored)
        {
            return;
        }

        if (stored.Metadata.Finalizers is { Count: > 0 })
        {
            Delete(stored);
        }
        else
        {
            Vanish(stored);
        }
    }

    private void Vanish(IKubernetesObject<V1ObjectMeta> item)
    {
        _objects.RemoveAll(o => o.Metadata.Uid == item.Metadata.Uid);
        // A deletion is a change like any other, and told with its version.
        Changed?.Invoke(Copy(item, _ => { }), true);
        foreach (var owned in _objects.Where(
            o => o.Metadata.OwnerReferences?.Any(r => r.Uid == item.Metadata.Uid) == true)
            .ToList())
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

    private static bool IsImmutable(Type spec, string name) => spec.GetProperties().Any(p =>
        NameOf(p) == name && p.GetCustomAttribute<ImmutableAttribute>() is not null);

    private static string NameOf(PropertyInfo property) =>
        property.GetCustomAttribute<System.Text.Json.Serialization.JsonPropertyNameAttribute>()?.Name
        ?? JsonNamingPolicy.CamelCase.ConvertName(property.Name);

    private static KubernetesException Forbidden(string why) =>
        new(HttpStatusCode.Forbidden, new V1Status { Message = why, Reason = "Forbidden" });

    private static JsonObject Json(IKubernetesObject<V1ObjectMeta> item) =>
        JsonSerializer.SerializeToNode(item, item.GetType(), KubernetesJson.Options)!.AsObject();
}
