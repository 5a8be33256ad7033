using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Client;
using k8s;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using PodCheckpointing.TestKubelet;
using PodCheckpointing.TestKubelet.Checkpoints;

// .NET would watch every folder of the node for changes of its settings.
var builder = WebApplication.CreateSlimBuilder(["--hostBuilder:reloadConfigOnChange=false", .. args]);
builder.Services.AddOptions<KubeletOptions>()
    .BindConfiguration(KubeletOptions.Section)
    .ValidateDataAnnotations()
    .ValidateOnStart();
var options = builder.Configuration.GetSection(KubeletOptions.Section).Get<KubeletOptions>()
    ?? throw new InvalidOperationException("the section Kubelet of the configuration is empty");
builder.WebHost.UseKestrelHttpsConfiguration();
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenAnyIP(options.Port, listen => listen.UseHttps(https =>
{
    var authorities = new X509Certificate2Collection();
    authorities.ImportFromPemFile(options.ClientCa);
    https.ServerCertificate = X509Certificate2.CreateFromPemFile(options.TlsCertificate, options.TlsKey);
    https.ClientCertificateMode = ClientCertificateMode.AllowCertificate;
    https.ClientCertificateValidation = (certificate, _, _) =>
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        return chain.Build(certificate);
    };
})));
builder.Services.AddSingleton<IKubernetes>(
    new Kubernetes(KubernetesClientConfiguration.BuildConfigFromConfigFile(options.Kubeconfig, context: null)));
builder.Services.AddSingleton(new CriRuntime(
    GrpcChannel.ForAddress(
        options.RuntimeEndpoint, new GrpcChannelOptions { MaxReceiveMessageSize = 16 * 1024 * 1024 })));
builder.Services.AddSingleton<NodeKubelet>();
builder.Services.AddHostedService(services => services.GetRequiredService<NodeKubelet>());
if (options.ContainerCheckpoint)
{
    Directory.CreateDirectory(
        options.CheckpointsDirectory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
}

var app = builder.Build();
app.MapCheckpoint(options);
await app.RunAsync();
