using System.Globalization;
using System.Net;
using System.Reflection;
using System.Runtime.CompilerServices;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Runtime.Metrics;

/// <summary>Counts the requests of a client.</summary>
public sealed class MeasuredKubernetes(IKubernetes inner, TimeProvider time) : IKubernetes
{
    private const string NoAnswer = "<error>";

    /// <inheritdoc/>
    public Task<KubernetesList<T>> ListAsync<T>(ListOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        MeasureAsync<T, KubernetesList<T>>(
            "list", HttpStatusCode.OK, inner.ListAsync<T>(options, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(
        ListOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        // Counted when its first event comes, when it ends without one, or when it is refused: once.
        var counted = false;
        await using var events = inner.WatchAsync<T>(options, cancellationToken).GetAsyncEnumerator(cancellationToken);
        while (true)
        {
            bool more;
            try
            {
                more = await events.MoveNextAsync().ConfigureAwait(false);
            }
            catch (Exception exception) when (!counted && !cancellationToken.IsCancellationRequested)
            {
                Count<T>("watch", CodeOf(exception));
                throw;
            }

            if (!counted)
            {
                counted = true;
                Count<T>("watch", Code(HttpStatusCode.OK));
            }

            if (!more)
            {
                yield break;
            }

            yield return events.Current;
        }
    }

    /// <inheritdoc/>
    public Task<T> GetAsync<T>(string? namespaceName, string name, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        MeasureAsync<T, T>(
            "get", HttpStatusCode.OK, inner.GetAsync<T>(namespaceName, name, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public Task<T> CreateAsync<T>(T item, bool dryRun, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        MeasureAsync<T, T>(
            "create", HttpStatusCode.Created, inner.CreateAsync(item, dryRun, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public Task<T> ReplaceAsync<T>(T item, string? subresource, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        MeasureAsync<T, T>(
            "update", HttpStatusCode.OK, inner.ReplaceAsync(item, subresource, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public Task<T> PatchAsync<T>(
        string? namespaceName,
        string name,
        string? subresource,
        PatchType type,
        string patch,
        string fieldManager,
        CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        MeasureAsync<T, T>(
            "patch",
            HttpStatusCode.OK,
            inner.PatchAsync<T>(namespaceName, name, subresource, type, patch, fieldManager, cancellationToken),
            cancellationToken);

    /// <inheritdoc/>
    public async Task DeleteAsync<T>(
        string? namespaceName, string name, V1DeleteOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        async Task<bool> CallAsync()
        {
            await inner.DeleteAsync<T>(namespaceName, name, options, cancellationToken).ConfigureAwait(false);
            return true;
        }

        await MeasureAsync<T, bool>("delete", HttpStatusCode.OK, CallAsync(), cancellationToken).ConfigureAwait(false);
    }

    private async Task<TResult> MeasureAsync<T, TResult>(
        string verb, HttpStatusCode success, Task<TResult> call, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        var code = "";
        if (verb is not ("get" or "list"))
        {
            Reaction.Acts();
        }

        try
        {
            var result = await call.ConfigureAwait(false);
            code = Code(success);
            return result;
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            code = CodeOf(exception);
            throw;
        }
        finally
        {
            // Nobody waits for what was given up here: it says nothing about the server.
            if (code.Length > 0)
            {
                Count<T>(verb, code);
                RuntimeMetrics.RequestDuration.Record(time.GetElapsedTime(began).TotalSeconds, verb);
                Reaction.HasWaited(time.GetElapsedTime(began));
            }
        }
    }

    private static void Count<T>(string verb, string code) => RuntimeMetrics.Requests.Count(
        verb, typeof(T).GetCustomAttribute<KubernetesEntityAttribute>()?.PluralName ?? "", code);

    private static string CodeOf(Exception exception) =>
        exception is KubernetesException refused ? Code(refused.Code) : NoAnswer;

    private static string Code(HttpStatusCode code) => ((int)code).ToString(CultureInfo.InvariantCulture);
}
