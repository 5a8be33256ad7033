using System.Runtime.CompilerServices;
using Google.Protobuf.WellKnownTypes;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Simulation;

/// <summary>A node's agent, as the contract describes it.</summary>
internal sealed partial class SimulatedAgent(
    Caller caller, World world, Node node, Operations operations, TimeProvider time) : ICheckpointAgent
{
    private const string Mark = "mark of ";

    public string NodeName => node.Name;

    public TimeSpan ClockOffset => node.ClockOffset;

    public Task<GetCapabilitiesResponse> GetCapabilitiesAsync(
        GetCapabilitiesRequest request, CancellationToken cancellationToken) =>
        Call("capabilities", () => new GetCapabilitiesResponse
        {
            NodeName = node.Name, KubeletCheckpoint = node.KubeletLives, FenceHook = true, RestoreHandler = true,
            StoreId = "s",
            Architecture = "x", Runtime = "crun", CriuVersion = "4.2", ProtocolVersion = 1,
            // One volume: what any node has left is there for the others, and nothing else.
            StoreMark = request.LeaveMark
                ? Mark + node.Name
                : "", MarkFound = request.FindMark.StartsWith(Mark, StringComparison.Ordinal),
        });

    public Task<FenceResponse> FenceAsync(FenceRequest request, CancellationToken cancellationToken) =>
        Call("fence", () =>
        {
            if (node.Lifted.ContainsKey((request.PodUid, request.Holder)))
            {
                throw new AgentException(
                    Reasons.CheckpointFailed, "the migration has lifted its fence of the pod", isTerminal: true);
            }

            if (node.Fences.TryGetValue(request.PodUid, out var holder))
            {
                if (holder != request.Holder)
                {
                    throw new AgentException(
                        Reasons.MigrationInProgress, "another migration of this pod is under way",
                        !node.IsLifting(request.PodUid));
                }
            }
            else if (!world.Knows(node, request.PodUid))
            {
                throw new AgentException(Reasons.PodNotRunning, "the pod is not on this node", isTerminal: true);
            }

            node.Fences[request.PodUid] = request.Holder;
            return new FenceResponse { FencedAt = Now() };
        });

    /// <summary>From the first word on no dump begins under the fence; at the end it is gone.</summary>
    public Task<UnfenceResponse> UnfenceAsync(UnfenceRequest request, CancellationToken cancellationToken) =>
        InTwo($"unfence resume={request.Resume}", () =>
        {
            node.Lifted[(request.PodUid, request.Holder)] = time.GetUtcNow();
            if (node.Fences.TryGetValue(request.PodUid, out var holder) && holder != request.Holder)
            {
                throw new AgentException(
                    Reasons.MigrationInProgress, "another migration holds this fence", isTerminal: true);
            }

            var life = node.Agents;
            return Goes(
                "unfenced",
                life,
                () =>
                {
                    IReadOnlyList<string>? going = null;
                    if (node.Fences.GetValueOrDefault(request.PodUid) == request.Holder)
                    {
                        var alive = world.On(node, request.PodUid)?.Containers.Where(c => c.Life != Life.Dead);
                        going = request.Resume ? [.. alive?.Select(c => c.Name) ?? []] : [];
                        if (!node.IsFull)
                        {
                            // What has no room is said once, and nobody knows it afterwards (FenceBook.Note).
                            node.Continued.TryAdd((request.PodUid, request.Holder), going);
                        }

                        if (request.Resume)
                        {
                            world.LetGoOn.Add((request.PodUid, request.Holder));
                            world.Resume(node, request.PodUid);
                            // What has been dumped and is not stored has come to nothing (Thaw, CheckpointOperation).
                            node.Dumps.Where(d => d.Key.PodUid == request.PodUid && d.Value.Fenced).ToList()
                                .ForEach(d => node.Dumps.Remove(d.Key));
                        }

                        node.Fences.Remove(request.PodUid);
                    }

                    going = node.Continued.GetValueOrDefault((request.PodUid, request.Holder), going!);
                    var response = new UnfenceResponse { Lifted = going is not null };
                    response.ContainerNames.AddRange(going ?? []);
                    return response;
                },
                // It waits for dumps that are under way.
                () => !request.Resume
                    || !node.Dumps.Any(
                        d => d.Key.PodUid == request.PodUid && d.Value is { Value: null, Failed: false }));
        });

    public Task<EndProcessesResponse> EndProcessesAsync(
        EndProcessesRequest request, CancellationToken cancellationToken) =>
        Call("end", () =>
        {
            if (node.Fences.GetValueOrDefault(request.PodUid) != request.Holder)
            {
                throw new AgentException(
                    Reasons.CheckpointFailed, "the migration holds no fence of the pod", isTerminal: true);
            }

            if (!world.HasRun(request.Holder))
            {
                world.Violations.Add("the source is ended, and its target has never run");
            }

            world.EndForGood(node, request.PodUid);
            return new EndProcessesResponse();
        });

    public Task<CheckpointResponse> CheckpointAsync(CheckpointRequest request, CancellationToken cancellationToken) =>
        InTwo($"dump {request.ContainerName}", () =>
        {
            var key = (request.PodUid, request.CheckpointId, request.ContainerName);
            var whole = (request.PodUid, request.CheckpointId);
            var stored = world.Store.GetValueOrDefault(whole)?.ContainsKey(request.ContainerName) == true;
            if (!stored && (!node.Dumps.TryGetValue(key, out var old) || old.Failed))
            {
                if (world.On(node, request.PodUid)?.Containers
                    .FirstOrDefault(c => c.Name == request.ContainerName) is null or { Life: Life.Dead })
                {
                    throw new AgentException(
                        Reasons.PodNotRunning, "the container does not run on this node", isTerminal: true);
                }

                if (node.Fences.GetValueOrDefault(request.PodUid, "") != request.FenceHolder)
                {
                    throw request.FenceHolder.Length == 0
                        ? new AgentException(
                            Reasons.MigrationInProgress, "a migration of this pod is under way", isTerminal: false)
                        : new AgentException(
                            Reasons.CheckpointFailed,
                            "the migration that asks for the dump holds no fence of the pod",
                            isTerminal: true);
                }

                if (node.IsLifting(request.PodUid))
                {
                    throw new AgentException(
                        Reasons.CheckpointFailed, "the pod's fence is being lifted", isTerminal: true);
                }

                if (world.DumpsAreHeld
                    && request.FenceHolder.Length == 0
                    && !world.Snapshots.Contains(request.CheckpointId))
                {
                    world.Violations.Add($"{request.ContainerName} is dumped, and no migration holds its pod");
                }

                if (!node.KubeletLives)
                {
                    // Tried again for half a minute by the agent, and then by whoever asks (KubeletClient).
                    throw new AgentException(Reasons.KubeletUnavailable, "kubelet does not answer", isTerminal: false);
                }

                node.Dumps[key] = new Dump
                {
                    Container = request.ContainerName, Fenced = node.Fences.ContainsKey(request.PodUid),
                };
            }

            return Goes(
                $"store {request.ContainerName}",
                node.Agents,
                () =>
                {
                    if (node.Dumps.TryGetValue(key, out var dump))
                    {
                        if (dump.Failed)
                        {
                            throw new AgentException(
                                Reasons.CheckpointFailed, "the runtime could not dump", isTerminal: true);
                        }

                        world.Store.TryAdd(whole, []);
                        world.Store[whole][request.ContainerName] = new Part(
                            dump.Value!.Value, dump.TakenAt, dump.Fenced);
                        world.Written[whole] = time.GetUtcNow();
                        node.Dumps.Remove(key);
                    }

                    if (request.SealContainers.Count > 0
                        && request.SealContainers.All(
                            c => world.Store.GetValueOrDefault(whole)?.ContainsKey(c) == true))
                    {
                        world.Sealed.Add(whole);
                    }

                    var part = world.Store.GetValueOrDefault(whole)?.GetValueOrDefault(request.ContainerName)
                        ?? throw (node.Lifted.ContainsKey((request.PodUid, request.FenceHolder))
                            ? new AgentException(
                                Reasons.CheckpointFailed, "the fence is lifted, the checkpoint given up",
                                isTerminal: true)
                            : Unavailable());
                    return new CheckpointResponse
                    {
                        CompressedDigest = "d", Digest = "d",
                        Size = 1, CompressedSize = 1, StoppedAt = Timestamp.FromDateTimeOffset(part.TakenAt),
                        LeftStopped = part.LeftStopped,
                    };
                },
                () => !node.Dumps.TryGetValue(key, out var dump) || dump.Failed || dump.Value is not null);
        });

    public Task<SealResponse> SealAsync(SealRequest request, CancellationToken cancellationToken) => Call("seal", () =>
    {
        world.Sealed.Add((request.PodUid, request.CheckpointId));
        return new SealResponse { ArtifactUri = ArtifactUri.ForPod(request.PodUid, request.CheckpointId)
            .ToString(), CompressedSize = 1 };
    });

    public Task<DeleteCheckpointResponse> DeleteCheckpointAsync(
        DeleteCheckpointRequest request, CancellationToken cancellationToken) =>
        Call("delete bytes", () =>
        {
            var whole = (request.PodUid, request.CheckpointId);
            if (world.Store.ContainsKey(whole) && world.IsRead(whole))
            {
                world.Violations.Add("bytes are deleted while a restore reads them");
            }

            if (request.ContainerName.Length == 0)
            {
                world.Store.Remove(whole);
                world.Sealed.Remove(whole);
            }
            else if (world.Store.GetValueOrDefault(whole) is { } parts && parts.Remove(request.ContainerName))
            {
                // What lacks a part is no checkpoint.
                world.Sealed.Remove(whole);
                if (parts.Count == 0)
                {
                    world.Store.Remove(whole);
                }
            }

            return new DeleteCheckpointResponse();
        },
        // It waits for dumps that are under way, until they are stored.
        () => !node.Dumps.Any(d => d.Key.PodUid == request.PodUid && d.Key.Checkpoint == request.CheckpointId
            && (d.Value is { Value: null, Failed: false }
                || operations.IsOpen($"{node.Name}: store {d.Key.Container}"))));

    public Task<VerifyCheckpointResponse> VerifyCheckpointAsync(
        VerifyCheckpointRequest request, CancellationToken cancellationToken) =>
        Call("verify", () =>
        {
            var uri = ArtifactUri.Parse(request.ArtifactUri);
            if (!world.Sealed.Contains((uri.PodUid, uri.CheckpointId)))
            {
                throw new AgentException(Reasons.ArtifactMissing, "the checkpoint is not complete", isTerminal: true);
            }

            return new VerifyCheckpointResponse { Checkpoint = Stored((uri.PodUid, uri.CheckpointId)) };
        });

    public async IAsyncEnumerable<StoredCheckpoint> ListCheckpointsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var stored in await Call("list", () => world.Store.Keys.Select(Stored).ToList()))
        {
            yield return stored;
        }
    }

    private StoredCheckpoint Stored((string PodUid, string Checkpoint) key)
    {
        var stored = new StoredCheckpoint
        {
            PodUid = key.PodUid, CheckpointId = key.Checkpoint, IsSealed = world.Sealed.Contains(key),
            PodNamespace = "n", LastWritten = Timestamp.FromDateTimeOffset(world.Written[key]),
        };
        stored.ContainerNames.AddRange(world.Store[key].Keys);
        return stored;
    }

    private Task<T> Call<T>(string name, Func<T> effect, Func<bool>? ready = null) =>
        operations.BeginAsync(
            caller,
            $"{node.Name}: {name}",
            () => !node.Answers || node.Fault?.Instead(name) is not null || ready is null || ready(),
            () => node.Answers ? Answer(name, effect) : throw Unavailable(),
            Unavailable);

    /// <summary>A call that its caller waits for while the agent goes on with it.</summary>
    private async Task<T> InTwo<T>(string name, Func<Task<T>> begin) => await await Call(name, begin);

    /// <summary>What the agent goes on with, whether or not its caller lives; not the next life of the agent.</summary>
    private Task<T> Goes<T>(string name, int life, Func<T> effect, Func<bool> ready) =>
        operations.BeginAsync(
            node.Agent,
            $"{node.Name}: {name}",
            () => !IsAtIt(life) || ready(),
            () =>
            {
                var result = IsAtIt(life) ? Answer(name, effect) : throw Unavailable();
                // It comes to its end behind a cut cable, too; nobody hears of it.
                return node.Answers ? result : throw Unavailable();
            },
            Unavailable);

    private T Answer<T>(string name, Func<T> effect)
    {
        if (node.Fault?.Instead(name) is { } failure)
        {
            throw failure;
        }

        var result = effect();
        return node.Fault?.Afterwards(name) is { } late ? throw late : result;
    }

    private bool IsAtIt(int life) => node is { AgentLives: true, IsDead: false } && node.Agents == life;

    private static AgentException Unavailable() =>
        new(Reasons.AgentUnavailable, "the agent does not answer", isTerminal: false);

    private Timestamp Now() => Timestamp.FromDateTimeOffset(world.NowAt(node));
}
