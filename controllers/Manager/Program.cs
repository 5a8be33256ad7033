using k8s;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.Metrics;
using PodCheckpointing.Runtime;
using PodCheckpointing.Runtime.Metrics;

var builder = WebApplication.CreateSlimBuilder(args);
builder.Services.AddOptions<OperatorOptions>().BindConfiguration(OperatorOptions.Section).ValidateDataAnnotations().ValidateOnStart();
var options = builder.Configuration.GetSection(OperatorOptions.Section).Get<OperatorOptions>() ?? new OperatorOptions();
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenAnyIP(options.HealthPort));
builder.Services.AddSingleton(TimeProvider.System);
builder.Services.AddMetering();
var kubernetes = KubernetesClientConfiguration.BuildDefault(options.Kubeconfig, context: null);
builder.Services.AddSingleton<IKubernetes>(new MeasuredKubernetes(new Kubernetes(kubernetes), TimeProvider.System));
builder.Services.AddSingleton(services => ActivatorUtilities.CreateInstance<EventRecorder>(services, "pod-checkpointing"));
builder.Services.AddSingleton<IEventRecorder>(services => services.GetRequiredService<EventRecorder>());
builder.Services.AddHostedService(services => services.GetRequiredService<EventRecorder>());
builder.Services.AddSingleton<IAgentDirectory, AgentDirectory>();
builder.Services.AddSingleton(services =>
    new PendingCalls(
        TaskScheduler.Default,
        services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping,
        services.GetRequiredService<ILeadership>()));
builder.Services.AddCluster();
builder.Services.AddLeadership(options, kubernetes.Namespace);
builder.Services.AddReconcilers();
var app = builder.Build();
app.UseMetering();
app.MapGet("/healthz", () => "ok");
app.MapGet("/readyz", (IEnumerable<IInformer> informers) => informers.All(i => i.Synced.IsCompletedSuccessfully)
    ? Results.Text("ok")
    : Results.Text("not all informers have listed yet", statusCode: 503));
await app.RunAsync();
