using Grpc.Net.Client;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Capabilities;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Fences;
using PodCheckpointing.Agent.Health;
using PodCheckpointing.Agent.Images;
using PodCheckpointing.Agent.Kubelet;
using PodCheckpointing.Agent.Maintenance;
using PodCheckpointing.Agent.Network;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.Agent.Volumes;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Images;

namespace PodCheckpointing.Agent;

/// <summary>What the agent is put together from.</summary>
internal static class Wiring
{
    /// <summary>Whom it asks of its node.</summary>
    public static void AddNode(this IServiceCollection services, AgentOptions options, NodeFacts facts)
    {
        services.AddSingleton(facts);
        services.AddSingleton<KubeletClient>();
        services.AddSingleton(new ContainerRuntime(GrpcChannel.ForAddress(
            options.RuntimeEndpoint, new GrpcChannelOptions { MaxReceiveMessageSize = 16 * 1024 * 1024 })));
        services.AddSingleton<PodExaminer>();
        services.AddSingleton<NodeCapabilities>();
        services.AddHosted<Readiness>();
    }

    /// <summary>The volume, and who keeps it clean.</summary>
    public static void AddStore(this IServiceCollection services, AgentOptions options)
    {
        services.AddSingleton(new CheckpointStore(options.StoreRoot, TimeProvider.System));
        services.AddSingleton(new StoreMarks(options.StoreRoot, TimeProvider.System));
        services.AddSingleton<StoreCalls>();
        services.AddSingleton<StoreInventory>();
        services.AddHostedService<StoreSweeper>();
    }

    /// <summary>Dumps, and the fences that they are made under.</summary>
    public static void AddCheckpoints(this IServiceCollection services)
    {
        services.AddSingleton<CriuConfiguration>();
        services.AddHosted<LastDump>();
        services.Configure<HostOptions>(host => host.ShutdownTimeout = LastDump.ShutdownTimeout);
        services.AddSingleton<DumpJournal>();
        services.AddSingleton<DumpLimits>();
        services.AddSingleton<Dumper>();
        services.AddSingleton<ArchiveWatch>();
        services.AddSingleton<Checkpointer>();
        services.AddSingleton<PodCgroup>();
        services.AddSingleton<VolumeContent>();
        services.AddSingleton<FenceBook>();
        services.AddSingleton<Thaw>();
        services.AddHostedService<FenceSweeper>();
    }

    /// <summary>Restores, and the addresses that pods take along.</summary>
    public static void AddRestores(this IServiceCollection services)
    {
        // A pod's restore is staged, let go and cancelled by one at a time.
        services.AddSingleton<KeyedLock<PodRestoreFolder>>();
        services.AddSingleton<AheadStaging>();
        services.AddSingleton<RestoreStaging>();
        services.AddSingleton<RestoreRelease>();
        services.AddSingleton<RestoreWatch>();
        services.AddHosted<PageGuard>();
        services.AddHostedService<WarmUp>();
        services.AddHostedService<RestoreSweeper>();
        services.AddSingleton(all => new AddressHolds(
            all.GetRequiredService<IOptions<AgentOptions>>(), TimeProvider.System,
            script => NodeNetwork.RunAsync([], script),
            all.GetRequiredService<ILogger<AddressHolds>>()));
        services.AddHostedService<AddressSweeper>();
    }

    /// <summary>Images of checkpoints.</summary>
    public static void AddImages(this IServiceCollection services)
    {
        // Part of the agent's: what is bound twice may differ.
        services.AddSingleton(all => Options.Create(all.GetRequiredService<IOptions<AgentOptions>>().Value.Images));
        services.AddSingleton<CheckpointImages>();
        services.AddSingleton<NodeImageStore>();
        services.AddSingleton<ImageConversion>();
    }

    /// <summary>Whether it is alive and ready.</summary>
    public static void MapHealth(this WebApplication app)
    {
        app.MapGet("/healthz", () => "ok");
        app.MapGet("/readyz", (Readiness ready) => ready.Fault is { } fault
            ? Results.Text(fault, statusCode: 503)
            : Results.Text(
                ready.Warning is { } warning ? $"ok, but no pod of this node can be dumped: {warning}" : "ok"));
    }

    /// <summary>Something that others ask, and that runs by itself.</summary>
    private static void AddHosted<T>(this IServiceCollection services)
        where T : class, IHostedService
    {
        services.AddSingleton<T>();
        services.AddHostedService(all => all.GetRequiredService<T>());
    }
}
