using System.Runtime.ExceptionServices;

namespace PodCheckpointing.Storage.Frames;

/// <summary>A frame on its way: filled, transformed from input to output by a worker, and
/// looked at by every cursor.</summary>
internal sealed class RingFrame(int inputSize, int outputSize) : IDisposable
{
    public NativeBuffer Input { get; } = new(inputSize);

    public NativeBuffer Output { get; } = new(outputSize);

    public int InputLength { get; set; }

    public int OutputLength { get; set; }

    public Span<byte> InputBytes => Input.GetSpan()[..InputLength];

    public Span<byte> OutputBytes => Output.GetSpan()[..OutputLength];

    internal int Holders { get; set; }

    internal bool Transformed { get; set; }

    public void Dispose()
    {
        ((IDisposable)Input).Dispose();
        ((IDisposable)Output).Dispose();
    }
}

/// <summary>A fixed pool of frames that go round: one source fills them, workers transform them in any order, cursors
/// see them in order. A frame goes round again when the last cursor has let go of it.</summary>
/// <remarks>
/// Stages run on threads of their own: the thread pool serves the callers' requests meanwhile. The first failure, or
/// the caller's cancellation, stops all stages; <see cref="FinishAsync"/> tells.
/// </remarks>
internal sealed class FrameRing : IAsyncDisposable
{
    private readonly RingFrame[] _frames;
    private readonly SemaphoreSlim _free;
    private readonly SemaphoreSlim _work = new(0);
    private readonly List<FrameCursor> _inputs = [];
    private readonly List<FrameCursor> _outputs = [];
    private readonly List<Task> _stages = [];
    private readonly CancellationTokenSource _stop;
    private readonly Lock _gate = new();
    private Exception? _failure;
    private long _published;
    private long _claimed;
    private long _transformed;
    private long _total = long.MaxValue;
    private int _workers;
    private int _disposed;

    public FrameRing(int frames, int inputSize, int outputSize, CancellationToken cancellationToken)
    {
        _frames = new RingFrame[frames];
        for (var i = 0; i < frames; i++)
        {
            _frames[i] = new RingFrame(inputSize, outputSize);
        }

        _free = new SemaphoreSlim(frames);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Stopping = _stop.Token;
    }

    /// <summary>Is cancelled by the caller's cancellation and by the first failure.</summary>
    public CancellationToken Stopping { get; }

    /// <summary>Bytes of memory that all its frames take.</summary>
    public long Reserved => _frames.Sum(frame => (long)frame.Input.Length + frame.Output.Length);

    /// <summary>A cursor over the inputs, in order; before the first frame is published.</summary>
    public FrameCursor OverInputs() => Add(_inputs);

    /// <summary>A cursor over the outputs, in order; before the first frame is published.</summary>
    public FrameCursor OverOutputs() => Add(_outputs);

    /// <summary>Runs a stage on its own thread.</summary>
    public void Start(Action stage) => _stages.Add(Task.Factory.StartNew(
        () =>
        {
            try
            {
                stage();
            }
            catch (Exception exception)
            {
                Fail(exception);
            }
        },
        CancellationToken.None,
        TaskCreationOptions.LongRunning,
        TaskScheduler.Default));

    /// <summary>Runs a worker, which sets the output of every frame that it is given,
    /// and disposes its context.</summary>
    public void StartWorker(Action<RingFrame> transform, IDisposable context)
    {
        _workers++;
        Start(() =>
        {
            using (context)
            {
                Work(transform);
            }
        });
    }

    /// <summary>The next frame to fill; waits until one is free.</summary>
    public async ValueTask<RingFrame> NextFreeAsync()
    {
        await _free.WaitAsync(Stopping).ConfigureAwait(false);
        return At(_published);
    }

    /// <summary>The next frame to fill; waits until one is free.</summary>
    public RingFrame NextFree()
    {
        _free.Wait(Stopping);
        return At(_published);
    }

    /// <summary>Hands on the frame that <see cref="NextFree"/> gave.</summary>
    public void Publish(RingFrame frame)
    {
        frame.Transformed = false;
        frame.Holders = _inputs.Count + _outputs.Count;
        _published++;
        _work.Release();
        foreach (var cursor in _inputs)
        {
            cursor.Ready.Release();
        }
    }

    /// <summary>There are no more frames.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            Volatile.Write(ref _total, _published);
            WakeOutputsAtEnd();
        }

        if (_workers > 0)
        {
            _work.Release(_workers);
        }

        foreach (var cursor in _inputs)
        {
            cursor.Ready.Release();
        }
    }

    /// <summary>Stops everything.</summary>
    public void Fail(Exception exception)
    {
        Interlocked.CompareExchange(ref _failure, exception, null);
        _stop.Cancel();
    }

    /// <summary>Waits for all stages, and throws the first failure.</summary>
    public async Task FinishAsync()
    {
        await Task.WhenAll(_stages).ConfigureAwait(false);
        if (_failure is not null)
        {
            ExceptionDispatchInfo.Throw(_failure);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        // Nobody may touch the memory after it is given back.
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_stages).ConfigureAwait(false);
        foreach (var frame in _frames)
        {
            frame.Dispose();
        }

        _stop.Dispose();
    }

    internal RingFrame? InOrder(long index) => index < Volatile.Read(ref _total) ? At(index) : null;

    internal void Release(RingFrame frame)
    {
        lock (_gate)
        {
            if (--frame.Holders > 0)
            {
                return;
            }
        }

        _free.Release();
    }

    private void Work(Action<RingFrame> transform)
    {
        while (true)
        {
            _work.Wait(Stopping);
            var index = Interlocked.Increment(ref _claimed) - 1;
            if (index >= Volatile.Read(ref _total))
            {
                return;
            }

            var frame = At(index);
            transform(frame);
            Transformed(frame);
        }
    }

    private FrameCursor Add(List<FrameCursor> cursors)
    {
        var cursor = new FrameCursor(this);
        cursors.Add(cursor);
        return cursor;
    }

    private RingFrame At(long index) => _frames[index % _frames.Length];

    private void Transformed(RingFrame frame)
    {
        lock (_gate)
        {
            frame.Transformed = true;
            // Workers finish in any order; what is ready in order goes on.
            while (_transformed < _published && At(_transformed).Transformed)
            {
                At(_transformed).Transformed = false;
                _transformed++;
                foreach (var cursor in _outputs)
                {
                    cursor.Ready.Release();
                }
            }

            WakeOutputsAtEnd();
        }
    }

    private void WakeOutputsAtEnd()
    {
        if (_transformed == _total)
        {
            foreach (var cursor in _outputs)
            {
                cursor.Ready.Release();
            }
        }
    }
}

/// <summary>Sees every frame of a ring, in order.</summary>
internal sealed class FrameCursor(FrameRing ring)
{
    private long _next;

    internal SemaphoreSlim Ready { get; } = new(0);

    /// <summary>The next frame, to be given back by <see cref="Done"/>; null at the end.</summary>
    public RingFrame? Next()
    {
        Ready.Wait(ring.Stopping);
        return ring.InOrder(_next++);
    }

    /// <summary>The next frame, to be given back by <see cref="Done"/>; null at the end.</summary>
    public async ValueTask<RingFrame?> NextAsync()
    {
        await Ready.WaitAsync(ring.Stopping).ConfigureAwait(false);
        return ring.InOrder(_next++);
    }

    /// <summary>Lets go of a frame.</summary>
    public void Done(RingFrame frame) => ring.Release(frame);
}
