using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Fences;
using PodCheckpointing.Agent.Kubelet;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent.Capabilities;

/// <summary>What this node can do, and what of one of its pods stands in the way of a dump.</summary>
internal sealed class NodeCapabilities(
    KubeletClient kubelet, ContainerRuntime runtime, CheckpointStore store, StoreMarks marks, NodeFacts facts,
    PodExaminer pods, StoreCalls calls, IOptions<AgentOptions> options)
{
    public async Task<GetCapabilitiesResponse> DescribeAsync(
        GetCapabilitiesRequest request, CancellationToken cancellationToken)
    {
        var (works, message) = await kubelet.ProbeAsync(cancellationToken);
        Directory.CreateDirectory(options.Value.StateRoot);
        var response = new GetCapabilitiesResponse
        {
            NodeName = options.Value.NodeName,
            ProtocolVersion = CheckpointServiceBase.ProtocolVersion,
            AgentVersion = typeof(AgentService).Assembly.GetName().Version!.ToString(3),
            Architecture = facts.Architecture,
            KernelVersion = facts.KernelVersion,
            CpuVendor = facts.CpuVendor,
            Runtime = NodeFacts.Runtime,
            RuntimeVersion = facts.RuntimeVersion,
            RuntimeMessage = string.Join("; ", new[]
            {
                facts.RuntimeMessage,
                CriuConfiguration.Fault(options.Value),
                SelinuxPolicy.Fault(options.Value.NodeRoot),
            }.Where(fault => fault.Length > 0)),
            CriuVersion = facts.CriuVersion,
            KubeletCheckpoint = works,
            KubeletMessage = message,
            RestoreHandler = File.Exists(options.Value.RestoreHandler),
            FenceHook = File.Exists(options.Value.FenceHook) && HookStamp.IsFresh(options.Value),
            StagingFreeBytes = FreeBytes(options.Value.StateRoot),
            ArchiveFreeBytes =
                Directory.Exists(options.Value.KubeletDirectory) ? FreeBytes(options.Value.KubeletDirectory) : 0,
            // None at all is not told from "not told".
            DumpRoomBytes = DumpSpace.Room(options.Value) is { } room ? Math.Max(room, 1) : 0,
            Pod = request.PodUid.Length == 0
                ? null
                : await pods.ExamineAsync(request.PodUid, request.VolumeNames, cancellationToken),
        };
        response.CpuFeatures.AddRange(facts.CpuFeatures);
        foreach (var reference in request.Images.Distinct())
        {
            var image = await runtime.ImageAsync(reference, cancellationToken);
            var found = new NodeImage { Reference = reference, Id = image?.Id ?? "" };
            found.RepoDigests.AddRange(image?.RepoDigests ?? []);
            response.Images.Add(found);
        }

        await AskStoreAsync(request, response, cancellationToken);
        return response;
    }

    private async Task AskStoreAsync(
        GetCapabilitiesRequest request, GetCapabilitiesResponse response, CancellationToken cancellationToken)
    {
        try
        {
            (response.StoreId, response.StoreFreeBytes, response.StoreMark) = await calls.AskAsync(
                () => (store.StoreId(), (ulong)store.FreeBytes(), request.LeaveMark ? marks.Leave() : ""),
                cancellationToken);
            if (request.FindMark.Length > 0)
            {
                // It looks more than once: only the first look may hang.
                var looking =
                    await calls.AskAsync(() => marks.FindAsync(request.FindMark, cancellationToken), cancellationToken);
                response.MarkFound = await looking;
            }
        }
        catch (ArgumentException exception)
        {
            throw Refusal.Because(StatusCode.InvalidArgument, Reasons.InvalidArgument, exception.Message, exception);
        }
        catch (Exception exception) when (AbsentVolume.IsMeantBy(exception))
        {
            throw AbsentVolume.RefusalOf(exception, options.Value);
        }
    }

    private static ulong FreeBytes(string path) => (ulong)new DriveInfo(path).AvailableFreeSpace;
}
