using System.Reflection;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Fences;
using PodCheckpointing.Agent.Metrics;
using PodCheckpointing.Agent.Network;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Api.Agent;

if (args is ["--version"])
{
    Console.WriteLine(
        typeof(AgentOptions).Assembly
            .GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion);
    return;
}

// Settings are read once. To reload them .NET would watch every folder below the working
// directory, which may be the node's root.
var builder = WebApplication.CreateSlimBuilder(["--hostBuilder:reloadConfigOnChange=false", .. args]);
// Four lines for each call would hide ours.
builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
builder.Services.AddOptions<AgentOptions>()
    .BindConfiguration(AgentOptions.Section, Strictly)
    .ValidateDataAnnotations()
    .ValidateOnStart();
var options = builder.Configuration.GetSection(AgentOptions.Section).Get<AgentOptions>(Strictly)
    ?? throw new InvalidOperationException("the section Agent of the configuration is empty");
builder.WebHost.UseKestrelHttpsConfiguration();
builder.WebHost.ConfigureKestrel(kestrel =>
{
    kestrel.ListenLocalhost(options.HealthPort);
    kestrel.ListenForMetrics(options);
    kestrel.ListenAt(
        options.ListenAddress, options.Port,
        listen => listen.UseAgentTls(options.TlsClientCa, options.TlsCertificate, options.TlsKey));
});
builder.Services.AddSingleton(TimeProvider.System);
builder.Services.AddMetering();
builder.Services.AddNode(options, await NodeFacts.AskAsync(options));
builder.Services.AddStore(options);
builder.Services.AddCheckpoints();
builder.Services.AddRestores();
builder.Services.AddImages();
builder.Services.AddSingleton<AgentService>();
var app = builder.Build();
Directory.CreateDirectory(options.StateRoot);
PrivateFolder.Make(options.RestoresFolder);
HookStamp.Follow(options);
app.Services.GetRequiredService<CriuConfiguration>().Recover();
await app.Services.GetRequiredService<AddressHolds>().RecoverAsync(CancellationToken.None);
app.UseMetering();
app.Use(async (call, next) =>
{
    await using var last = app.Services.GetRequiredService<LastDump>().Over.Register(call.Abort);
    await next(call);
});
app.MapHealth();
app.Services.GetRequiredService<AgentService>().Map(app);
await app.RunAsync();

// A setting that nobody knows is a misspelt one: it stops the program, and the error names it.
static void Strictly(BinderOptions binder) => binder.ErrorOnUnknownConfiguration = true;
