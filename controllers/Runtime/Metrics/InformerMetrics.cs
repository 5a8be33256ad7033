namespace PodCheckpointing.Runtime.Metrics;

/// <summary>Measures one informer.</summary>
internal sealed class InformerMetrics
{
    private readonly string _kind;
    private readonly TimeProvider _time;

    public InformerMetrics(Type kind, TimeProvider time)
    {
        (_kind, _time) = (RuntimeMetrics.KindOf(kind), time);
        RuntimeMetrics.InformerSynced.Set(0, _kind);
        RuntimeMetrics.InformerObjects.Move(0, _kind);
        RuntimeMetrics.InformerRestarts.Add(0, _kind, "expired");
        RuntimeMetrics.InformerRestarts.Add(0, _kind, "failed");
    }

    public void Listed()
    {
        RuntimeMetrics.InformerSynced.Set(1, _kind);
        RuntimeMetrics.InformerLists.Count(_kind);
        RuntimeMetrics.InformerLastList.Set(Now(), _kind);
        RuntimeMetrics.InformerLastEvent.Set(Now(), _kind);
    }

    public void EventReceived()
    {
        RuntimeMetrics.InformerEvents.Count(_kind);
        RuntimeMetrics.InformerLastEvent.Set(Now(), _kind);
    }

    public void ObjectAdded() => RuntimeMetrics.InformerObjects.Move(1, _kind);

    public void ObjectRemoved() => RuntimeMetrics.InformerObjects.Move(-1, _kind);

    public void Expired() => RuntimeMetrics.InformerRestarts.Count(_kind, "expired");

    public void Failed() => RuntimeMetrics.InformerRestarts.Count(_kind, "failed");

    private double Now() => (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).TotalSeconds;
}
