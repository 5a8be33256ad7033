using Google.Protobuf.WellKnownTypes;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Simulation;

/// <content>What it does at a target: stages, lets run, or sees to it that nothing ever runs.</content>
internal sealed partial class SimulatedAgent
{
    public Task<PrepareRestoreResponse> PrepareRestoreAsync(
        PrepareRestoreRequest request, CancellationToken cancellationToken)
    {
        var uri = ArtifactUri.Parse(request.ArtifactUri);
        world.Reads[request.PodUid] = (uri.PodUid, uri.CheckpointId);
        return Call($"stage {request.ContainerName}", () =>
        {
            var stage = node.StageOf(request.PodUid);
            if (stage.Failed is not null)
            {
                throw new AgentException(Reasons.RestoreFailed, stage.Failed, isTerminal: true);
            }

            if (!world.Sealed.Contains((uri.PodUid, uri.CheckpointId))
                || world.Store.GetValueOrDefault(
                    (uri.PodUid, uri.CheckpointId))?.ContainsKey(request.ContainerName) != true)
            {
                throw new AgentException(Reasons.RestoreFailed, "the checkpoint is not sealed", isTerminal: true);
            }

            stage.Members = [.. request.ContainerNames];
            stage.Go |= request.Release;
            var part = world.Store[(uri.PodUid, uri.CheckpointId)][request.ContainerName];
            if (world.On(node, request.PodUid)?.Containers.Find(c => c.Name == request.ContainerName)
                is { Life: Life.Restored } restored
                && restored.Counter != part.Value)
            {
                world.Violations.Add("what was restored ahead is not what was sealed");
            }

            stage.Values[request.ContainerName] = part.Value;
            return new PrepareRestoreResponse();
        });
    }

    /// <summary>It is restored as soon as it is written, and stands still until its
    /// checkpoint is sealed and confirmed.</summary>
    public Task<StageAheadResponse> StageAheadAsync(StageAheadRequest request, CancellationToken cancellationToken) =>
        Call($"stage {request.ContainerName} ahead", () =>
        {
            var uri = ArtifactUri.Parse(request.ArtifactUri);
            if (node.StageOf(request.PodUid) is { Failed: null } stage)
            {
                stage.Ahead[request.ContainerName] = (uri.PodUid, uri.CheckpointId);
            }

            return new StageAheadResponse();
        });

    public Task<GetRestoreResponse> GetRestoreAsync(GetRestoreRequest request, CancellationToken cancellationToken)
    {
        var looks = 0;
        return Call($"look {request.Until}", States, () => States().Containers is var states
            && (states.All(s => s.Phase == "Running" || (s.Phase == "Restored" && request.Until == "Restored"))
                || states.Any(s => s.Phase == "Failed" || (s.Phase == request.Until && request.Until != "Restored"))
                || ++looks > 300));

        GetRestoreResponse States()
        {
            var response = new GetRestoreResponse { Addresses = { World.Address } };
            response.Containers.AddRange(request.ContainerNames.Select(n => new ContainerRestore
            {
                ContainerName = n, Phase = PhaseOf(request.PodUid, n),
                Ended = world.On(node, request.PodUid)?.Containers.Any(c => c.Name == n
                    && c is { Life: Life.Dead } or { Restarts: > 0 }) == true,
                RunningAt = Timestamp.FromDateTimeOffset(
                    node.Stages.GetValueOrDefault(request.PodUid)?.RunAt ?? world.NowAt(node)),
            }));
            return response;
        }
    }

    public Task<HoldAddressesResponse> HoldAddressesAsync(
        HoldAddressesRequest request, CancellationToken cancellationToken) =>
        Call($"hold {request.Addresses}", () =>
        {
            if (request.Addresses.Count == 0)
            {
                node.LetGo(request.Holder);
            }
            else if (node.HoldsOver.ContainsKey(request.Holder))
            {
                throw new AgentException(
                    Reasons.RestoreFailed, "the migration has let its addresses go", isTerminal: true);
            }
            else
            {
                node.Holds[request.Holder] = time.GetUtcNow() + TimeSpan.FromSeconds(request.ForSeconds);
            }

            return new HoldAddressesResponse();
        });

    public Task<ReleaseRestoreResponse> ReleaseRestoreAsync(
        ReleaseRestoreRequest request, CancellationToken cancellationToken) =>
        Call("release", () =>
        {
            var stage = node.StageOf(request.PodUid);
            if (stage.Failed is not null || stage.Members.Count == 0)
            {
                throw new AgentException(Reasons.RestoreFailed, stage.Failed ?? "nothing is staged", isTerminal: true);
            }

            if (stage.Verdict == "Cancelled")
            {
                throw new AgentException(Reasons.RestoreFailed, "the restore was cancelled", isTerminal: true);
            }

            if (request.AddressHolder.Length > 0)
            {
                node.LetGo(request.AddressHolder);
            }

            if (request.AddressHolder.Length > 0
                && world.On(node, request.PodUid)?.Containers.Any(p => p.Life == Life.Waiting) == true)
            {
                world.Violations.Add("the address is let go before every socket is there");
            }

            stage.Go = true;
            if (world.On(node, request.PodUid) is { } copy)
            {
                world.Continue(copy, stage);
            }

            return stage.Verdict is null && stage.Broken.Count > 0
                ? throw new AgentException(
                    Reasons.RestoreFailed, "the restored processes of a container are gone", isTerminal: true)
                : new ReleaseRestoreResponse();
        });

    public Task<CancelRestoreResponse> CancelRestoreAsync(
        CancelRestoreRequest request, CancellationToken cancellationToken) =>
        Call("cancel", () =>
        {
            if (node.IsFull && world.On(node, request.PodUid) is not { Containers.Count: > 0 }
                && !node.Stages.ContainsKey(request.PodUid))
            {
                // No room for the folder that the verdict would be in.
                throw AgentFault.Unexpected();
            }

            var stage = node.StageOf(request.PodUid);
            stage.Verdict ??= "Cancelled";
            var hasRun = stage.Verdict == "Run";
            if ((!hasRun || !request.UnlessRun) && !node.IsFull)
            {
                // A full disk has no room for a word: by the verdict alone nothing runs.
                stage.Failed = request.Reason;
            }

            if (!hasRun)
            {
                world.End(node, request.PodUid, Life.Restored);
            }

            return new CancelRestoreResponse
            {
                HasRun = hasRun,
                LiveContainers =
                    (uint)(world.On(node, request.PodUid)?.Containers.Count(c => c.Life != Life.Dead) ?? 0),
            };
        });

    private string PhaseOf(string podUid, string container)
    {
        var stage = node.Stages.GetValueOrDefault(podUid);
        var life = world.On(node, podUid)?.Containers.FirstOrDefault(c => c.Name == container)?.Life;
        return stage?.Verdict == "Run" && life is not null ? (stage.HasBooted ? "Failed" : "Running")
            : stage?.Failed is not null || stage?.Broken.Contains(container) == true ? "Failed"
            : stage?.Late.Contains(container) == true && world.Staged(container, stage) is null ? "Failed"
            : life == Life.Restored ? "Restored"
            : stage?.Values.ContainsKey(container) == true ? "Staged"
            // That the handler was killed meanwhile nobody has told.
            : life == Life.Waiting || stage?.InVain.ContainsKey(container) == true ? "Waiting"
            : "Absent";
    }
}
