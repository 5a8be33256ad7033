using Grpc.Net.Client;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Capabilities;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Fences;
using PodCheckpointing.Agent.Health;
using PodCheckpointing.Agent.Images;
using PodCheckpointing.Agent.Kubelet;
using PodCheckpointing.Agent.Maintenance;
using PodCheckpointing.Agent.Metrics;
using PodCheckpointing.Agent.Network;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.Agent.Volumes;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Images;

// Settings are read once. To reload them .NET would watch every folder below the working directory, which may be the node's root.
var builder = WebApplication.CreateSlimBuilder(["--hostBuilder:reloadConfigOnChange=false", .. args]);
// Four lines for each call would hide ours.
builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
builder.Services.AddOptions<AgentOptions>().BindConfiguration(AgentOptions.Section, Strictly).ValidateDataAnnotations().ValidateOnStart();
builder.Services.AddOptions<ImageOptions>().BindConfiguration(ImageOptions.Section, Strictly);
var options = builder.Configuration.GetSection(AgentOptions.Section).Get<AgentOptions>(Strictly)
    ?? throw new InvalidOperationException("the section Agent of the configuration is empty");
builder.WebHost.UseKestrelHttpsConfiguration();
builder.WebHost.ConfigureKestrel(kestrel =>
{
    kestrel.ListenLocalhost(options.HealthPort);
    kestrel.ListenForMetrics(options.MetricsPort);
    kestrel.ListenAnyIP(
        options.Port, listen => listen.UseAgentTls(options.TlsClientCa, options.TlsCertificate, options.TlsKey));
});
builder.Services.AddSingleton(TimeProvider.System);
builder.Services.AddMetering();
builder.Services.AddSingleton(await NodeFacts.AskAsync(options, options.Images));
builder.Services.AddSingleton<KubeletClient>();
builder.Services.AddSingleton(new ContainerRuntime(GrpcChannel.ForAddress(
    options.RuntimeEndpoint, new GrpcChannelOptions { MaxReceiveMessageSize = 16 * 1024 * 1024 })));
builder.Services.AddSingleton(new CheckpointStore(options.StoreRoot, TimeProvider.System));
builder.Services.AddSingleton(services => new StoreMarks(options.StoreRoot, services.GetRequiredService<TimeProvider>()));
builder.Services.AddSingleton<CriuConfiguration>();
builder.Services.AddSingleton<LastDump>();
builder.Services.AddHostedService(services => services.GetRequiredService<LastDump>());
builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = LastDump.Longest);
builder.Services.AddSingleton<DumpJournal>();
builder.Services.AddSingleton<FenceBook>();
builder.Services.AddHostedService<FenceSweeper>();
builder.Services.AddSingleton<PodCgroup>();
builder.Services.AddSingleton<VolumeContent>();
builder.Services.AddSingleton<Dumper>();
builder.Services.AddSingleton<ArchiveWatch>();
builder.Services.AddSingleton<Checkpointer>();
builder.Services.AddSingleton<StoreCalls>();
builder.Services.AddSingleton<StoreInventory>();
builder.Services.AddSingleton<Thaw>();
builder.Services.AddSingleton<PageGuard>();
builder.Services.AddHostedService(services => services.GetRequiredService<PageGuard>());
builder.Services.AddSingleton(services => new AddressHolds(
    services.GetRequiredService<IOptions<AgentOptions>>(), TimeProvider.System, script => NodeNetwork.RunAsync([], script),
    services.GetRequiredService<ILogger<AddressHolds>>()));
builder.Services.AddHostedService<AddressSweeper>();
builder.Services.AddSingleton<AheadStaging>();
// A pod's restore is staged, let go and cancelled by one at a time.
builder.Services.AddSingleton<KeyedLock<PodRestoreFolder>>();
builder.Services.AddSingleton<RestoreStaging>();
builder.Services.AddSingleton<RestoreRelease>();
builder.Services.AddHostedService<WarmUp>();
builder.Services.AddSingleton<RestoreWatch>();
builder.Services.AddHostedService<RestoreSweeper>();
builder.Services.AddHostedService<StoreSweeper>();
builder.Services.AddSingleton<CheckpointImages>();
builder.Services.AddSingleton<NodeImageStore>();
builder.Services.AddSingleton<ImageConversion>();
builder.Services.AddSingleton<PodExaminer>();
builder.Services.AddSingleton<NodeCapabilities>();
builder.Services.AddSingleton<Readiness>();
builder.Services.AddHostedService(services => services.GetRequiredService<Readiness>());
builder.Services.AddSingleton<AgentService>();
var app = builder.Build();
Directory.CreateDirectory(options.StateRoot);
PrivateFolder.Make(options.RestoresFolder);
app.Services.GetRequiredService<CriuConfiguration>().Recover();
await app.Services.GetRequiredService<AddressHolds>().RecoverAsync(CancellationToken.None);
app.UseMetering();
app.Use(async (call, next) =>
{
    await using var last = app.Services.GetRequiredService<LastDump>().Over.Register(call.Abort);
    await next(call);
});
app.MapGet("/healthz", () => "ok");
app.MapGet("/readyz", (Readiness ready) => ready.Fault is { } fault
    ? Results.Text(fault, statusCode: 503)
    : Results.Text(ready.Warning is { } warning ? $"ok, but no pod of this node can be dumped: {warning}" : "ok"));
app.Services.GetRequiredService<AgentService>().Map(app);
await app.RunAsync();

// A setting that nobody knows is a misspelt one: it stops the program, and the error names it.
static void Strictly(BinderOptions binder) => binder.ErrorOnUnknownConfiguration = true;
