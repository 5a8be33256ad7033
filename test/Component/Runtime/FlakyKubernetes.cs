using System.Runtime.CompilerServices;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Component.Runtime;

/// <summary>The real API server behind a line that can be cut. While it is cut, every call
/// fails, and every watch ends.</summary>
internal sealed class FlakyKubernetes(IKubernetes real) : IKubernetes
{
    private volatile CancellationTokenSource _line = new();
    private int _lists;

    public int Lists => _lists;

    public void Cut() => _line.Cancel();

    public void Mend() => _line = new CancellationTokenSource();

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
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_line.Token, cancellationToken);
        await using var events = real.WatchAsync<T>(options, either.Token).GetAsyncEnumerator(either.Token);
        while (await GuardAsync(_ => events.MoveNextAsync().AsTask(), cancellationToken))
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
