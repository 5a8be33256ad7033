using k8s;
using k8s.Models;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Cluster;

/// <summary>Gives every request its time, and says it in words when that is over.</summary>
internal sealed class PatientKubernetes(Kubernetes inner, TimeSpan timeout) : IKubernetes, IDisposable
{
    public Task<KubernetesList<T>> ListAsync<T>(ListOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> => InTimeAsync(t => inner.ListAsync<T>(options, t), cancellationToken);

    /// <remarks>A watch has no end of its own; who asks for it sets one.</remarks>
    public IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(ListOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> => inner.WatchAsync<T>(options, cancellationToken);

    public Task<T> GetAsync<T>(string? namespaceName, string name, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> => InTimeAsync(t => inner.GetAsync<T>(namespaceName, name, t), cancellationToken);

    public Task<T> CreateAsync<T>(T item, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> => InTimeAsync(t => inner.CreateAsync(item, t), cancellationToken);

    public Task<T> ReplaceAsync<T>(T item, string? subresource, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> => InTimeAsync(t => inner.ReplaceAsync(item, subresource, t), cancellationToken);

    public Task<T> PatchAsync<T>(
        string? namespaceName,
        string name,
        string? subresource,
        PatchType type,
        string patch,
        string fieldManager,
        CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        InTimeAsync(t => inner.PatchAsync<T>(namespaceName, name, subresource, type, patch, fieldManager, t), cancellationToken);

    public Task DeleteAsync<T>(string? namespaceName, string name, V1DeleteOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        InTimeAsync<object?>(
            async t =>
            {
                await inner.DeleteAsync<T>(namespaceName, name, options, t);
                return null;
            },
            cancellationToken);

    public void Dispose() => inner.Dispose();

    private async Task<T> InTimeAsync<T>(Func<CancellationToken, Task<T>> request, CancellationToken cancellationToken)
    {
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (timeout > TimeSpan.Zero)
        {
            limited.CancelAfter(timeout);
        }

        try
        {
            return await request(limited.Token);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CommandException(
                ExitCode.TimedOut,
                $"the API server did not answer within {(timeout > TimeSpan.Zero ? Amounts.Duration(timeout) + " (--request-timeout)" : "30s")}",
                exception);
        }
    }
}
