namespace PodCheckpointing.Runtime.Metrics;

/// <summary>What any operator counts; the names are those of controller-runtime and
/// client-go, where these have one.</summary>
public static class RuntimeMetrics
{
    private static readonly MetricLabel Queue = new("name");
    private static readonly MetricLabel Controller = new("controller");
    private static readonly MetricLabel Kind = new("kind");

    /// <summary>All of them.</summary>
    public static readonly MetricSet Set = new("PodCheckpointing.Runtime");

    /// <summary>About the telling itself.</summary>
    public static readonly MetricSet ScrapeSet = new("PodCheckpointing.Scrape");

    internal static readonly LevelMetric QueueDepth = Set.Level(
        "workqueue_depth", "Keys that wait for a worker", Queue);

    internal static readonly CounterMetric QueueAdds = Set.Counter(
        "workqueue_adds_total", "Keys that were added, each once until a worker took it", Queue);

    internal static readonly CounterMetric QueueRetries = Set.Counter(
        "workqueue_retries_total", "Further attempts that were asked for after a failure", Queue);

    internal static readonly HistogramMetric QueueDuration = Set.Histogram(
        "workqueue_queue_duration_seconds", "How long a key waited for a worker", Buckets.WorkSeconds, Queue);

    internal static readonly HistogramMetric WorkDuration = Set.Histogram(
        "workqueue_work_duration_seconds", "How long a worker had a key", Buckets.WorkSeconds, Queue);

    internal static readonly ObservedMetric UnfinishedWork = Set.ObservedGauge(
        "workqueue_unfinished_work_seconds",
        "How long the workers have had the keys that they still have, together", Queue);

    internal static readonly ObservedMetric LongestRunning = Set.ObservedGauge(
        "workqueue_longest_running_processor_seconds",
        "How long a worker has had the key that it has had the longest", Queue);

    internal static readonly CounterMetric Reconciles = Set.Counter(
        "controller_runtime_reconcile_total",
        "Runs by how they ended",
        Controller,
        new MetricLabel("result", "success", "requeue_after", "conflict", "terminal", "error"));

    internal static readonly CounterMetric ReconcileErrors = Set.Counter(
        "controller_runtime_reconcile_errors_total", "Runs that failed and are tried again, without conflicts",
        Controller);

    internal static readonly HistogramMetric ReconcileTime = Set.Histogram(
        "controller_runtime_reconcile_time_seconds", "How long a run took", Buckets.WorkSeconds, Controller);

    internal static readonly HistogramMetric ReactionTime = Set.Histogram(
        "operator_event_to_effect_seconds",
        "From what had an object looked at, or the end of its run before, or the end of its waiting by a limit, to "
            + "the first write or call about it, without what the API server took to answer reads; of runs that made "
            + "one",
        Buckets.ReactionSeconds,
        Controller);

    internal static readonly LevelMetric ActiveWorkers = Set.Level(
        "controller_runtime_active_workers", "Workers that are at a run", Controller);

    internal static readonly LevelMetric InformerObjects = Set.Level(
        "informer_objects", "Objects of a kind in the store", Kind);

    internal static readonly GaugeMetric InformerSynced = Set.Gauge(
        "informer_synced", "1 when the first list of a kind is in the store", Kind);

    internal static readonly CounterMetric InformerLists = Set.Counter(
        "informer_lists_total", "Lists of a kind that were read to their end", Kind);

    internal static readonly GaugeMetric InformerLastList = Set.Gauge(
        "informer_last_list_timestamp_seconds", "When a list of a kind was last read to its end, Unix time", Kind);

    internal static readonly CounterMetric InformerEvents = Set.Counter(
        "informer_events_total", "Events of a kind's watches, bookmarks included", Kind);

    internal static readonly GaugeMetric InformerLastEvent = Set.Gauge(
        "informer_last_event_timestamp_seconds",
        "When a list or a watch of a kind last told something, bookmarks included, Unix time",
        Kind);

    internal static readonly CounterMetric InformerRestarts = Set.Counter(
        "informer_watch_restarts_total",
        "Watches of a kind that ended otherwise than in time, after which it was listed again",
        Kind,
        new MetricLabel("reason", "expired", "failed"));

    internal static readonly ObservedMetric Leader = Set.ObservedGauge(
        "leader_election_master_status", "1 when this process leads", Queue);

    internal static readonly CounterMetric Requests = Set.Counter(
        "rest_client_requests_total",
        "Requests to the API server by the status code of the answer; <error> when there was none",
        new MetricLabel("verb", "get", "list", "watch", "create", "update", "patch", "delete"),
        "resource",
        "code");

    internal static readonly HistogramMetric RequestDuration = Set.Histogram(
        "rest_client_request_duration_seconds",
        "How long the API server took to answer; a watch is not among them",
        Buckets.WorkSeconds,
        new MetricLabel("verb", "get", "list", "create", "update", "patch", "delete"));

    internal static readonly CounterMetric ObserveErrors = ScrapeSet.Counter(
        "metrics_lookup_errors_total", "Values that could not be looked up for a scrape, by metric", "metric");

    internal static readonly CounterMetric SeriesRefused = ScrapeSet.Counter(
        "metrics_series_refused_total", "Values that were not counted because their metric has too many series",
        "metric");

    /// <summary>What a kind is called in labels: the types of built-in ones have their version before it.</summary>
    public static string KindOf(Type type) => type.Name is ['V', >= '0' and <= '9', .. var name] ? name : type.Name;

    /// <summary>Tells whether this process leads, until the return value is disposed of.</summary>
    public static IDisposable ObserveLeadership(ILeadership leadership, string name) => Leader.From(() =>
        [Leader.Value(leadership.Leads ? 1 : 0, name)]);
}
