using System.Runtime.CompilerServices;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Component.Runtime;

/// <summary>The real API server behind a line that can be cut: while it is, every call fails, and every watch with
/// them. Or watches end in good order, as after their time, and the next ones begin when the line is mended.</summary>
internal sealed class FlakyKubernetes(IKubernetes real) : IKubernetes
{
    private volatile CancellationTokenSource _line = new();
    private volatile CancellationTokenSource _watches = new();
    private volatile TaskCompletionSource? _pause;
    private int _lists;
    private int _gone;

    public int Lists => _lists;

    /// <summary>Watches that the server has refused, for it has forgotten where they were to go on.</summary>
    public int Gone => _gone;

    public void Cut() => _line.Cancel();

    public void EndWatches()
    {
        _pause = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _watches.Cancel();
    }

    public void Mend()
    {
        _line = new CancellationTokenSource();
        _watches = new CancellationTokenSource();
        _pause?.SetResult();
        _pause = null;
    }

    public Task<KubernetesList<T>> ListAsync<T>(ListOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        Interlocked.Increment(ref _lists);
        return GuardAsync(t => real.ListAsync<T>(options, t), cancellationToken);
    }

    public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(
        ListOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        await (_pause?.Task ?? Task.CompletedTask).WaitAsync(cancellationToken);
        var end = _watches.Token;
        using var any = CancellationTokenSource.CreateLinkedTokenSource(_line.Token, end, cancellationToken);
        await using var events = real.WatchAsync<T>(options, any.Token).GetAsyncEnumerator(any.Token);
        while (await GuardAsync(_ => MoveNextAsync(events, end), cancellationToken))
        {
            yield return events.Current;
        }
    }

    public Task<T> GetAsync<T>(string? namespaceName, string name, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        GuardAsync(t => real.GetAsync<T>(namespaceName, name, t), cancellationToken);

    public Task<T> CreateAsync<T>(T item, bool dryRun, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        GuardAsync(t => real.CreateAsync(item, dryRun, t), cancellationToken);

    public Task<T> ReplaceAsync<T>(T item, string? subresource, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        GuardAsync(t => real.ReplaceAsync(item, subresource, t), cancellationToken);

    public Task<T> PatchAsync<T>(
        string? namespaceName, string name, string? subresource, PatchType type, string patch, string fieldManager,
        CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        GuardAsync(
            t => real.PatchAsync<T>(namespaceName, name, subresource, type, patch, fieldManager, t), cancellationToken);

    public Task DeleteAsync<T>(
        string? namespaceName, string name, V1DeleteOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        GuardAsync(
            async t =>
            {
                await real.DeleteAsync<T>(namespaceName, name, options, t);
                return true;
            },
            cancellationToken);

    private async Task<bool> MoveNextAsync<T>(IAsyncEnumerator<T> events, CancellationToken end)
    {
        try
        {
            return await events.MoveNextAsync();
        }
        catch (Exception) when (end.IsCancellationRequested)
        {
            return false;
        }
        catch (KubernetesException exception) when (exception.IsGone)
        {
            Interlocked.Increment(ref _gone);
            throw;
        }
    }

    private async Task<TResult> GuardAsync<TResult>(
        Func<CancellationToken, Task<TResult>> call, CancellationToken cancellationToken)
    {
        var line = _line.Token;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(line, cancellationToken);
        try
        {
            either.Token.ThrowIfCancellationRequested();
            return await call(either.Token);
        }
        catch (OperationCanceledException exception) when (line.IsCancellationRequested)
        {
            throw new HttpRequestException("the line is cut", exception);
        }
    }
}
