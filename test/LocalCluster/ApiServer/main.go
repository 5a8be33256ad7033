// Command kube-apiserver of the bench: Kubernetes' own generic API server, with its CRD server and the built-in kinds
// that the bench needs, on a real etcd. It exists because no kube-apiserver is packaged for Debian; it takes the subset
// of kube-apiserver's flags that the bench uses, so that the real one can replace it (KUBEBUILDER_ASSETS).
//
// What it leaves out: admission plug-ins other than NamespaceLifecycle and ValidatingAdmissionPolicy, webhooks, the aggregator, garbage collection (a
// controller's work); RBAC counts for service accounts only.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/apiextensions-apiserver/pkg/apiserver"
	"k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	crdopenapi "k8s.io/apiextensions-apiserver/pkg/generated/openapi"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/kube-openapi/pkg/common"

	builtin "podcheckpointing/apiserver/openapi"
)

var (
	etcdServers = flag.String("etcd-servers", "http://127.0.0.1:2379", "etcd's URL")
	securePort  = flag.Int("secure-port", 6443, "the port to serve on")
	bindAddress = flag.String("bind-address", "0.0.0.0", "the address to serve on")
	certFile    = flag.String("tls-cert-file", "", "the serving certificate")
	keyFile     = flag.String("tls-private-key-file", "", "its key")
	clientCA    = flag.String("client-ca-file", "", "the CA of client certificates")
	tokenFile   = flag.String("token-auth-file", "", "CSV of token,user,uid,\"groups\"")
	auditPolicy = flag.String("audit-policy-file", "", "what is written to the audit log")
	auditLog    = flag.String("audit-log-path", "", "the audit log: who asked for what, one JSON object a line")
)

var roles = &serviceAccounts{next: authenticatedOnly{}}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "kube-apiserver:", err)
		os.Exit(1)
	}
}

func definitions(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
	all := builtin.GetOpenAPIDefinitions(ref)
	for name, definition := range crdopenapi.GetOpenAPIDefinitions(ref) {
		all[name] = definition
	}
	return all
}

func run(ctx context.Context) error {
	versions, err := registerTypes(apiserver.Scheme)
	if err != nil {
		return err
	}

	o := options.NewCustomResourceDefinitionsServerOptions(os.Stdout, os.Stderr)
	recommended := o.RecommendedOptions
	recommended.Etcd.StorageConfig.Transport.ServerList = []string{*etcdServers}
	recommended.Etcd.StorageConfig.Codec = apiserver.Codecs.LegacyCodec(append([]schema.GroupVersion{{Group: "apiextensions.k8s.io", Version: "v1"}}, versions...)...)
	recommended.Etcd.DefaultStorageMediaType = "application/json"
	recommended.SecureServing.BindAddress = net.ParseIP(*bindAddress)
	recommended.SecureServing.BindPort = *securePort
	recommended.SecureServing.ServerCert.CertKey.CertFile = *certFile
	recommended.SecureServing.ServerCert.CertKey.KeyFile = *keyFile
	recommended.Features.EnablePriorityAndFairness = false
	recommended.Authentication = nil
	recommended.Authorization = nil
	recommended.CoreAPI = nil
	recommended.Admission = nil
	recommended.Audit.PolicyFile = *auditPolicy
	recommended.Audit.LogOptions.Path = *auditLog
	if err := o.Complete(); err != nil {
		return err
	}

	config, err := configure(o)
	if err != nil {
		return err
	}

	server, err := config.Complete().New(genericapiserver.NewEmptyDelegate())
	if err != nil {
		return err
	}
	if err := installKinds(server.GenericAPIServer, config.GenericConfig.RESTOptionsGetter); err != nil {
		return err
	}
	groups.crds = server.Informers.Apiextensions().V1().CustomResourceDefinitions().Lister()
	server.GenericAPIServer.AddPostStartHookOrDie("default-namespaces", createNamespaces)
	server.GenericAPIServer.AddPostStartHookOrDie("roles", roles.start)
	return server.GenericAPIServer.PrepareRun().RunWithContext(ctx)
}

func configure(o *options.CustomResourceDefinitionsServerOptions) (*apiserver.Config, error) {
	generic := genericapiserver.NewRecommendedConfig(apiserver.Codecs)
	if err := o.ServerRunOptions.ApplyTo(&generic.Config); err != nil {
		return nil, err
	}
	generic.LoopbackClientConfig = nil
	if err := o.RecommendedOptions.ApplyTo(generic); err != nil {
		return nil, err
	}
	if err := o.APIEnablement.ApplyTo(&generic.Config, apiserver.DefaultAPIResourceConfigSource(), apiserver.Scheme); err != nil {
		return nil, err
	}
	ca, err := dynamiccertificates.NewDynamicCAContentFromFile("client-ca", *clientCA)
	if err != nil {
		return nil, err
	}
	generic.SecureServing.ClientCA = ca
	if generic.Authentication.Authenticator, err = newAuthenticator(ca, *tokenFile); err != nil {
		return nil, err
	}
	generic.Authorization.Authorizer = roles
	if err := addAdmission(generic, o.RecommendedOptions); err != nil {
		return nil, err
	}
	generic.LegacyAPIGroupPrefixes.Insert("/api")
	namer := openapi.NewDefinitionNamer(apiserver.Scheme)
	generic.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(definitions, namer)
	generic.OpenAPIConfig.Info.Title = "Kubernetes"
	generic.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(definitions, namer)
	generic.OpenAPIV3Config.Info.Title = "Kubernetes"
	chain := generic.BuildHandlerChainFunc
	generic.BuildHandlerChainFunc = withGroupList(chain)
	return &apiserver.Config{
		GenericConfig: generic,
		ExtraConfig: apiserver.ExtraConfig{
			CRDRESTOptionsGetter: options.NewCRDRESTOptionsGetter(*o.RecommendedOptions.Etcd, generic.ResourceTransformers, generic.StorageObjectCountTracker),
			MasterCount:          1,
			ServiceResolver:      noServices{},
			AuthResolverWrapper:  noWebhookAuth,
		},
	}, nil
}
