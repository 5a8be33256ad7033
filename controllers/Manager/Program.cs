using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.ContainerCheckpoints;
using PodCheckpointing.Manager.Metrics;
using PodCheckpointing.Manager.PodCheckpoints;
using PodCheckpointing.Manager.PodMigrations;
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
        TaskScheduler.Default, services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping));
builder.Services.AddCluster();
builder.Services.AddLeadership(options, kubernetes.Namespace);
builder.Services.AddController<PodMigrationReconciler, PodMigration>(controller => controller
    .Watches<PodCheckpoint>(checkpoint => checkpoint.ControllerKey(nameof(PodMigration)))
    .WatchesAll<ContainerCheckpointContent>(Owners.MigrationOf)
    .WatchesAll<V1Pod>((pod, cluster) => cluster.All<PodMigration>().Where(m =>
        m.Status?.PodUID == pod.Metadata.Uid
        || (pod.Metadata.Labels?.TryGetValue(WellKnown.MigrationUid, out var uid) == true && uid == m.Metadata.Uid))));
builder.Services.AddController<PodCheckpointReconciler, PodCheckpoint>(controller => controller
    .Watches<ContainerCheckpoint>(part => part.ControllerKey(nameof(PodCheckpoint)))
    .WatchesAll<PodCheckpointContent>((content, cluster) => cluster.All<PodCheckpoint>().Where(c =>
        c.Metadata.Uid == content.Spec.PodCheckpointRef.Uid)));
builder.Services.AddController<ContainerCheckpointReconciler, ContainerCheckpoint>(controller => controller
    .WatchesAll<ContainerCheckpointContent>((content, cluster) => cluster.All<ContainerCheckpoint>().Where(c =>
        c.Metadata.Uid == content.Spec.ContainerCheckpointRef.Uid)));
var app = builder.Build();
app.UseMetering();
app.MapGet("/healthz", () => "ok");
app.MapGet("/readyz", (IEnumerable<IInformer> informers) => informers.All(i => i.Synced.IsCompletedSuccessfully)
    ? Results.Text("ok")
    : Results.Text("not all informers have listed yet", statusCode: 503));
await app.RunAsync();
