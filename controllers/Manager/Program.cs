using System.Reflection;
using k8s;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.Metrics;
using PodCheckpointing.Manager.Nodes;
using PodCheckpointing.Runtime;
using PodCheckpointing.Runtime.Metrics;

if (args is ["--version"])
{
    Console.WriteLine(
        typeof(OperatorOptions).Assembly
            .GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion);
    return;
}

// Settings are read once. To reload them .NET would watch every folder below the working directory, which may be large.
var builder = WebApplication.CreateSlimBuilder(["--hostBuilder:reloadConfigOnChange=false", .. args]);
builder.Services.AddOptions<OperatorOptions>()
    .BindConfiguration(OperatorOptions.Section, Strictly)
    .ValidateDataAnnotations()
    .ValidateOnStart();
var options =
    builder.Configuration.GetSection(OperatorOptions.Section).Get<OperatorOptions>(Strictly) ?? new OperatorOptions();
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenAnyIP(options.HealthPort));
builder.Services.AddSingleton(TimeProvider.System);
builder.Services.AddMetering();
var kubernetes = KubernetesClientConfiguration.BuildDefault(options.Kubeconfig, context: null);
builder.Services.AddSingleton<IKubernetes>(new MeasuredKubernetes(new Kubernetes(kubernetes), TimeProvider.System));
builder.Services.AddSingleton(
    services => ActivatorUtilities.CreateInstance<EventRecorder>(services, "pod-checkpointing"));
builder.Services.AddSingleton<IEventRecorder>(services => services.GetRequiredService<EventRecorder>());
builder.Services.AddHostedService(services => services.GetRequiredService<EventRecorder>());
builder.Services.AddSingleton(new Home(kubernetes.Namespace));
builder.Services.AddSingleton<IAgentDirectory, AgentDirectory>();
builder.Services.AddSingleton(services =>
    new PendingCalls(
        TaskScheduler.Default,
        services.GetRequiredService<ILeadership>(),
        services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping));
builder.Services.AddCluster();
builder.Services.AddLeadership(options, kubernetes.Namespace);
builder.Services.AddReconcilers();
var app = builder.Build();
app.UseMetering();
// As plain delegates: one with parameters to bind would bring along a compiler of expressions, some megabytes of it.
app.MapGet("/healthz", context => context.Response.WriteAsync("ok"));
app.MapGet("/readyz", context =>
{
    var ready = context.RequestServices.GetServices<IInformer>().All(i => i.Synced.IsCompletedSuccessfully);
    context.Response.StatusCode = ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
    return context.Response.WriteAsync(ready ? "ok" : "not all informers have listed yet");
});
await app.RunAsync();

// A setting that nobody knows is a misspelt one: it stops the program, and the error names it.
static void Strictly(BinderOptions binder) => binder.ErrorOnUnknownConfiguration = true;
