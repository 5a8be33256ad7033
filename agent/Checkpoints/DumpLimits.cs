using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Agent.Checkpoints;

/// <summary>What a dump is not begun for: nobody can end one that is under way.</summary>
internal sealed class DumpLimits(IOptions<AgentOptions> options)
{
    /// <exception cref="RpcException">The container is too large for this node, or for what the request
    /// allows.</exception>
    public void Require(CheckpointRequest request, RunningContainer container)
    {
        var memory = ProcessMemory.Of(ProcessTree.Of(container.Pid));
        if (DumpSpace.Room(options.Value) is { } room && memory > room)
        {
            throw Refusal.Because(
                StatusCode.FailedPrecondition,
                Reasons.NotEnoughSpace,
                $"container {request.ContainerName} of pod {request.PodName} has {Quantity.OfBytes(memory)} of memory, "
                    + $"and node {options.Value.NodeName} room for a dump of {Quantity.OfBytes(room)}: the runtime and "
                    + $"kubelet both write it, the latter into {options.Value.KubeletDirectory}; make room there");
        }

        // The runtime keeps the container frozen for the whole of kubelet's call, and so a probe finds it hung.
        if (request.FreezeLimit is { } limit
            && Freeze.OfSnapshot(memory) is var freeze
            && freeze > TimeSpan.FromMilliseconds(limit.Milliseconds))
        {
            throw Refusal.Because(
                StatusCode.FailedPrecondition,
                Reasons.FreezeTooShort,
                $"{limit.SetBy} lets it stand still for {limit.Milliseconds / 1000.0:0.#} s, and container "
                    + $"{request.ContainerName} of pod {request.PodName} does for about {freeze.TotalSeconds:0} s "
                    + $"while its {Quantity.OfBytes(memory)} of memory are dumped; raise failureThreshold or "
                    + "periodSeconds");
        }
    }
}
