using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Net.Client;
using k8s.Models;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Metrics;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Agents;

/// <summary>Reaches each node's agent at the node's internal address.</summary>
internal sealed class AgentDirectory(
    ICluster cluster, IOptions<OperatorOptions> options, TimeProvider time) : IAgentDirectory
{
    private readonly ConcurrentDictionary<string, (string Address, ICheckpointAgent Agent)> _agents = new();

    public ICheckpointAgent? Find(string nodeName)
    {
        if (cluster.Find<V1Node>(new ObjectKey(null, nodeName)) is { } node && AddressOf(node) is { } address)
        {
            return _agents.AddOrUpdate(
                nodeName, _ => (address, Connect((nodeName, address))), (_, known) => known.Address == address
                    ? known
                    : (address, Connect((nodeName, address)))).Agent;
        }

        // Calls under way end by themselves, and with them the connection.
        _agents.TryRemove(nodeName, out _);
        return null;
    }

    public IEnumerable<ICheckpointAgent> Ready() =>
        cluster.All<V1Node>()
            .Where(IsReady)
            .Select(n => Find(n.Metadata.Name!))
            .OfType<ICheckpointAgent>();

    internal static bool IsReady(V1Node node) =>
        node.Status?.Conditions?.Any(c => c is { Type: "Ready", Status: "True" }) == true;

    internal static string EndpointOf(string address, int port) =>
        new UriBuilder(Uri.UriSchemeHttps, address, port).Uri.GetLeftPart(UriPartial.Authority);

    internal static string? AddressOf(V1Node node) =>
        node.Status?.Addresses?.FirstOrDefault(a => a.Type == "InternalIP")?.Address;

    private CheckpointAgent Connect((string Node, string Address) at)
    {
        var tls = AgentTls.ForOperator(options.Value.TlsCa, options.Value.TlsCertificate, options.Value.TlsKey);
        var channel = GrpcChannel.ForAddress(
            EndpointOf(at.Address, options.Value.AgentPort), new GrpcChannelOptions
            {
                Tls = tls,
                // Long calls: a node that has gone must not look like one that is busy.
                KeepAlivePingDelay = TimeSpan.FromSeconds(5),
            });
        return new CheckpointAgent(at.Node, new CheckpointServiceClient(channel, at.Node), time);
    }
}

/// <summary>One node's agent over gRPC.</summary>
internal sealed class CheckpointAgent(
    string nodeName, CheckpointServiceClient client, TimeProvider time) : ICheckpointAgent
{
    private static readonly TimeSpan Short = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Long = TimeSpan.FromHours(1);

    /// <summary>An agent waits for half a minute for a dump under way, and as long for the volume, with others before
    /// it: one that has not answered by then never will, and the next one is asked.</summary>
    private static readonly TimeSpan Removal = TimeSpan.FromMinutes(2);

    private readonly NodeClock _clock = new(time);

    public string NodeName => nodeName;

    public TimeSpan ClockOffset => _clock.Offset;

    public async Task<GetCapabilitiesResponse> GetCapabilitiesAsync(
        GetCapabilitiesRequest request, CancellationToken cancellationToken)
    {
        var sent = time.GetUtcNow();
        var response = await GuardAsync(client.GetCapabilitiesAsync(request, Short, cancellationToken));
        _clock.AddSample(sent, time.GetUtcNow(), response.Clock);
        return response.NodeName == nodeName
            ? response
            : throw new AgentException(
                Reasons.AgentUnavailable, $"the agent at node {nodeName} says it is {response.NodeName}",
                isTerminal: true);
    }

    public async Task<FenceResponse> FenceAsync(FenceRequest request, CancellationToken cancellationToken)
    {
        var sent = time.GetUtcNow();
        var response = await GuardAsync(client.FenceAsync(request, Short, cancellationToken));
        _clock.AddSample(sent, time.GetUtcNow(), response.Clock);
        return response;
    }

    public Task<UnfenceResponse> UnfenceAsync(UnfenceRequest request, CancellationToken cancellationToken) =>
        // It waits for the end of a dump that is under way.
        GuardAsync(client.UnfenceAsync(request, Long, cancellationToken));

    public Task<EndProcessesResponse> EndProcessesAsync(
        EndProcessesRequest request, CancellationToken cancellationToken) =>
        GuardAsync(client.EndProcessesAsync(request, Short, cancellationToken));

    public Task<CheckpointResponse> CheckpointAsync(CheckpointRequest request, CancellationToken cancellationToken) =>
        GuardAsync(client.CheckpointAsync(request, Long, cancellationToken));

    public Task<SealResponse> SealAsync(SealRequest request, CancellationToken cancellationToken) =>
        GuardAsync(client.SealAsync(request, Short, cancellationToken));

    public Task<DeleteCheckpointResponse> DeleteCheckpointAsync(
        DeleteCheckpointRequest request, CancellationToken cancellationToken) =>
        GuardAsync(client.DeleteCheckpointAsync(request, Removal, cancellationToken));

    public Task<VerifyCheckpointResponse> VerifyCheckpointAsync(
        VerifyCheckpointRequest request, CancellationToken cancellationToken) =>
        GuardAsync(client.VerifyCheckpointAsync(request, request.ManifestsOnly ? Short : Long, cancellationToken));

    public async IAsyncEnumerable<StoredCheckpoint> ListCheckpointsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var list = client.ListCheckpointsAsync(new ListCheckpointsRequest(), Long, cancellationToken)
            .GetAsyncEnumerator(cancellationToken);
        // One call, however many it lists.
        var ended = new TaskCompletionSource<bool>();
        var call = GuardAsync(ended.Task);
        try
        {
            while (await MoveNextAsync())
            {
                yield return list.Current;
            }

            ended.SetResult(true);
        }
        finally
        {
            // Who has heard enough hangs up.
            ended.TrySetCanceled(CancellationToken.None);
        }

        async Task<bool> MoveNextAsync()
        {
            try
            {
                return await list.MoveNextAsync();
            }
            catch (Exception exception)
            {
                ended.SetException(exception);
                return await call;
            }
        }
    }

    public Task<PrepareRestoreResponse> PrepareRestoreAsync(
        PrepareRestoreRequest request, CancellationToken cancellationToken) =>
        GuardAsync(client.PrepareRestoreAsync(request, Long, cancellationToken));

    public Task<StageAheadResponse> StageAheadAsync(StageAheadRequest request, CancellationToken cancellationToken) =>
        GuardAsync(client.StageAheadAsync(request, Short, cancellationToken));

    public Task<HoldAddressesResponse> HoldAddressesAsync(
        HoldAddressesRequest request, CancellationToken cancellationToken) =>
        GuardAsync(client.HoldAddressesAsync(request, Short, cancellationToken));

    public Task<ReleaseRestoreResponse> ReleaseRestoreAsync(
        ReleaseRestoreRequest request, CancellationToken cancellationToken) =>
        GuardAsync(client.ReleaseRestoreAsync(request, Short, cancellationToken));

    public Task<CancelRestoreResponse> CancelRestoreAsync(
        CancelRestoreRequest request, CancellationToken cancellationToken) =>
        GuardAsync(client.CancelRestoreAsync(request, Short, cancellationToken));

    public Task<GetRestoreResponse> GetRestoreAsync(GetRestoreRequest request, CancellationToken cancellationToken) =>
        GuardAsync(client.GetRestoreAsync(
            request, TimeSpan.FromMilliseconds(request.WaitMilliseconds) + Short, cancellationToken));

    private async Task<T> GuardAsync<T>(Task<T> call, [CallerMemberName] string method = "")
    {
        try
        {
            return await OperatorMetrics.MeasureAsync(call, method);
        }
        catch (RpcException exception)
        {
            throw AgentException.Of(nodeName, exception);
        }
    }
}
