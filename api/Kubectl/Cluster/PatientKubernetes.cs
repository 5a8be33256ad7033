using k8s;
using k8s.Models;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Cluster;

/// <summary>Says it in words when a request's time is over.</summary>
/// <param name="inner">The client, which gives every request that time.</param>
/// <param name="timeout">How much it gives.</param>
internal sealed class PatientKubernetes(Kubernetes inner, TimeSpan timeout) : IKubernetes, IDisposable
{
    /// <summary>The time of a request where the user has not said otherwise.</summary>
    public static readonly TimeSpan Usual = TimeSpan.FromSeconds(30);

    public Task<KubernetesList<T>> ListAsync<T>(ListOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        InTimeAsync(t => inner.ListAsync<T>(options, t), cancellationToken);

    /// <remarks>A watch has no end of its own; who asks for it sets one.</remarks>
    public IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(ListOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> => inner.WatchAsync<T>(options, cancellationToken);

    public Task<T> GetAsync<T>(string? namespaceName, string name, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        InTimeAsync(t => inner.GetAsync<T>(namespaceName, name, t), cancellationToken);

    public Task<T> CreateAsync<T>(T item, bool dryRun, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        InTimeAsync(t => inner.CreateAsync(item, dryRun, t), cancellationToken);

    public Task<T> ReplaceAsync<T>(T item, string? subresource, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        InTimeAsync(t => inner.ReplaceAsync(item, subresource, t), cancellationToken);

    public Task<T> PatchAsync<T>(
        string? namespaceName,
        string name,
        string? subresource,
        PatchType type,
        string patch,
        string fieldManager,
        CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        InTimeAsync(
            t => inner.PatchAsync<T>(namespaceName, name, subresource, type, patch, fieldManager, t),
            cancellationToken);

    public Task DeleteAsync<T>(
        string? namespaceName, string name, V1DeleteOptions options, CancellationToken cancellationToken)
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
        try
        {
            return await request(cancellationToken);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CommandException(
                ExitCode.TimedOut,
                $"the API server did not answer within {Amounts.Duration(timeout)} (--request-timeout)", exception);
        }
    }
}
