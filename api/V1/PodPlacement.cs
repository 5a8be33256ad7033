using System.Text.Json;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>Where a pod may be beside other pods, as the scheduler decides it: its required affinity to them, theirs to
/// it, and its topology spread. Looked at once for all nodes.</summary>
public sealed class PodPlacement
{
    private const string Hostname = "kubernetes.io/hostname";
    private readonly V1Pod _pod;
    private readonly Func<string, V1Node?> _nodes;
    private readonly List<(string Key, HashSet<string> Domains, bool Anywhere)> _near = [];
    private readonly List<(string Key, string Domain, bool IsSure, string Why)> _far = [];
    private readonly List<(string Key, Dictionary<string, int> Counts, int Least, int Most, int Own)> _spreads = [];
    private string? _unknown;

    /// <summary>Looks at what there is.</summary>
    /// <param name="pod">The pod that moves; where it is now does not count.</param>
    /// <param name="pods">All pods; asked for only where the pod's own rules speak of them.</param>
    /// <param name="podsWithAntiAffinity">Those that have rules which keep others away: see
    /// <see cref="KeepsOthersAway"/>.</param>
    /// <param name="nodes">All nodes.</param>
    public PodPlacement(
        V1Pod pod, Func<IEnumerable<V1Pod>> pods, IEnumerable<V1Pod> podsWithAntiAffinity,
        IReadOnlyCollection<V1Node> nodes)
    {
        _pod = pod;
        var byName = new Lazy<Dictionary<string, V1Node>>(() => nodes.ToDictionary(n => n.Metadata.Name!));
        _nodes = name => byName.Value.GetValueOrDefault(name);
        var (near, far, spreads) = (Terms(pod, "podAffinity"), Terms(pod, "podAntiAffinity"), Spreads(pod));
        var others = near.Count + far.Count + spreads.Count > 0 ? pods().Where(Counts).ToList() : [];
        StayNear(near, others);
        foreach (var term in far)
        {
            Avoid(
                others.Where(term.Matches), term,
                other => $"its required anti-affinity keeps it away from pod {other}");
        }

        foreach (var other in podsWithAntiAffinity.Where(Counts))
        {
            foreach (var term in Terms(other, "podAntiAffinity").Where(t => t.Matches(pod)))
            {
                Avoid([other], term, name => $"pod {name} keeps it away by required anti-affinity");
            }
        }

        foreach (var spread in spreads)
        {
            Spread(spread, others, nodes);
        }
    }

    /// <summary>Whether a pod that is there keeps others away.</summary>
    public static bool KeepsOthersAway(V1Pod pod) => Terms(pod, "podAntiAffinity").Count > 0;

    /// <summary>Every obstacle, with its reason word; none where the pod may be at a node.</summary>
    /// <param name="node">The node.</param>
    /// <param name="isChosen">Whether nobody has asked for this node: then what cannot be
    /// told for certain counts, too.</param>
    public IEnumerable<Obstacle> Obstacles(V1Node node, bool isChosen) =>
        Why(node, isChosen).Select(why => new Obstacle(
            Reasons.NodeNotSelected, $"pod {_pod.Metadata.Name} may not be on node {node.Metadata.Name}: {why}"));

    private IEnumerable<string> Why(V1Node node, bool isChosen)
    {
        if (_unknown is not null && isChosen)
        {
            yield return _unknown;
        }

        foreach (var (key, domains, anywhere) in _near)
        {
            if (DomainOf(node, key) is not { } domain || (!anywhere && !domains.Contains(domain)))
            {
                yield return $"no pod that its required affinity asks for is in the node's {key}";
            }
        }

        foreach (var (_, _, _, why) in _far.Where(f => (f.IsSure || isChosen) && DomainOf(node, f.Key) == f.Domain)
            .Take(1))
        {
            yield return why;
        }

        foreach (var (key, counts, least, most, own) in _spreads)
        {
            if (DomainOf(node, key) is not { } domain)
            {
                yield return $"the node has no label {key}, over which its topologySpreadConstraints spread it";
            }
            else if (counts.GetValueOrDefault(domain) + own - least > most)
            {
                yield return $"its topologySpreadConstraints allow {most} more in one {key} than in another, and "
                    + $"{counts.GetValueOrDefault(domain)} are in {domain}, {least} elsewhere";
            }
        }
    }

    private void StayNear(List<Term> terms, List<V1Pod> others)
    {
        if (terms.Exists(t => !t.IsSure))
        {
            _unknown = "its required pod affinity has a namespaceSelector, which is not evaluated; name a targetNode";
            return;
        }

        // Pods count that meet all terms; the first of a group, which asks for its own like, may be anywhere.
        var friends = others.Where(o => terms.TrueForAll(t => t.Matches(o))).ToList();
        var isFirst = friends.Count == 0 && terms.TrueForAll(t => t.Matches(_pod));
        _near.AddRange(
            terms.Select(t => (t.Key, friends.Select(f => DomainOf(f, t.Key)).OfType<string>().ToHashSet(), isFirst)));
    }

    private void Avoid(IEnumerable<V1Pod> others, Term term, Func<string, string> why)
    {
        foreach (var other in others)
        {
            if (DomainOf(other, term.Key) is { } domain)
            {
                _far.Add(
                    (
                        term.Key,
                        domain,
                        term.IsSure,
                        $"{why($"{other.Metadata.NamespaceProperty}/{other.Metadata.Name}")} in {term.Key} {domain}"));
            }
        }
    }

    private void Spread(JsonElement spread, List<V1Pod> others, IEnumerable<V1Node> nodes)
    {
        var key = Json.Text(spread, "topologyKey");
        var selector = Json.Member(spread, "labelSelector");
        var alike = Json.Items(Json.Member(spread, "matchLabelKeys")).Select(k => k.GetString()!).ToList();
        bool Selects(V1Pod other) => Json.Selects(selector, other.Metadata.Labels)
            && alike.TrueForAll(k => LabelOf(_pod, k) is not { } mine || LabelOf(other, k) == mine);
        // Domains without any such pod count as well, if the pod could go there.
        var honors = Json.Text(spread, "nodeAffinityPolicy") != "Ignore";
        var counts = nodes.Where(n => !honors || !NodeSelection.Obstacles(_pod, n).Any())
            .Select(n => DomainOf(n, key))
            .OfType<string>()
            .Distinct()
            .ToDictionary(d => d, _ => 0);
        foreach (var domain in others
            .Where(o => o.Metadata.DeletionTimestamp is null
                && o.Metadata.NamespaceProperty == _pod.Metadata.NamespaceProperty
                && Selects(o))
            .Select(o => DomainOf(o, key)).OfType<string>().Where(counts.ContainsKey))
        {
            counts[domain]++;
        }

        var least = counts.Count == 0 || counts.Count < (Json.Number(spread, "minDomains") ?? 0)
            ? 0
            : counts.Values.Min();
        _spreads.Add((key, counts, least, Json.Number(spread, "maxSkew") ?? 1, Selects(_pod) ? 1 : 0));
    }

    private bool Counts(V1Pod other) =>
        other.Spec.NodeName is not null
        && other.Metadata.Uid != _pod.Metadata.Uid
        && other.Status?.Phase is not ("Succeeded" or "Failed");

    private string? DomainOf(V1Pod pod, string key) =>
        _nodes(pod.Spec.NodeName!) is { } node ? DomainOf(node, key) : null;

    private static string? DomainOf(V1Node node, string key) =>
        node.Metadata.Labels?.TryGetValue(key, out var value) == true
            ? value
            : key == Hostname ? node.Metadata.Name : null;

    private static string? LabelOf(V1Pod pod, string key) =>
        pod.Metadata.Labels?.TryGetValue(key, out var value) == true ? value : null;

    private static List<JsonElement> Spreads(V1Pod pod) =>
        [.. Json.Items(Json.Member(pod.Spec.More, "topologySpreadConstraints"))
            .Where(s => Json.Text(s, "whenUnsatisfiable") != "ScheduleAnyway")];

    private static List<Term> Terms(V1Pod pod, string kind) =>
        [
            .. Json.Items(Json.Member(Json.Member(
                Json.Member(pod.Spec.More, "affinity"), kind), "requiredDuringSchedulingIgnoredDuringExecution"))
                .Select(term => new Term(pod, term)),
        ];

    /// <summary>One rule about other pods.</summary>
    private sealed class Term
    {
        private readonly HashSet<string?>? _namespaces;
        private readonly JsonElement? _selector;

        public Term(V1Pod owner, JsonElement term)
        {
            (Key, _selector) = (Json.Text(term, "topologyKey"), Json.Member(term, "labelSelector"));
            var named = Json.Items(Json.Member(term, "namespaces")).Select(n => n.GetString()).ToHashSet();
            if (Json.Member(term, "namespaceSelector") is { ValueKind: JsonValueKind.Object } by)
            {
                // Empty: all of them. By labels of namespaces, which nobody here looks at: any of them may be meant.
                IsSure = !by.EnumerateObject().Any();
            }
            else
            {
                _namespaces = named.Count > 0 ? named : [owner.Metadata.NamespaceProperty];
            }
        }

        public string Key { get; }

        public bool IsSure { get; } = true;

        public bool Matches(V1Pod other) =>
            _namespaces?.Contains(other.Metadata.NamespaceProperty) != false
            && Json.Selects(_selector, other.Metadata.Labels);
    }
}
