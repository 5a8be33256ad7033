namespace PodCheckpointing.Runtime;

/// <summary>The new keys of a queue, in the order of their coming, and how many of them may be taken.</summary>
/// <remarks>Each method tells how many more may be taken by it. Called under the queue's lock.</remarks>
internal sealed class NewKeys(int most)
{
    private readonly LinkedList<ObjectKey> _line = new();
    private readonly Dictionary<ObjectKey, LinkedListNode<ObjectKey>> _places = [];
    private int _offered;
    private int _taken;

    public int Count => _line.Count;

    public bool MayTake => _offered > 0;

    public bool Holds(ObjectKey key) => _places.ContainsKey(key);

    public int Add(ObjectKey key)
    {
        _places.Add(key, _line.AddLast(key));
        return Offer();
    }

    public ObjectKey Take()
    {
        var key = _line.First!.Value;
        _line.RemoveFirst();
        _places.Remove(key);
        _offered--;
        _taken++;
        return key;
    }

    public int Done()
    {
        _taken--;
        return Offer();
    }

    /// <summary>Takes a key out of the line.</summary>
    /// <returns>Whether that leaves one less to be taken than was offered.</returns>
    public bool Remove(ObjectKey key)
    {
        if (!_places.Remove(key, out var place))
        {
            return false;
        }

        _line.Remove(place);
        if (_offered <= _line.Count)
        {
            return false;
        }

        _offered--;
        return true;
    }

    private int Offer()
    {
        var more = Math.Min(most - _taken, _line.Count) - _offered;
        _offered += Math.Max(0, more);
        return Math.Max(0, more);
    }
}
