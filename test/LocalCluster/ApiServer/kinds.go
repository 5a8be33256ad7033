package main

import (
	"context"
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
)

// kind is one built-in kind that this server stores.
type kind struct {
	version    schema.GroupVersion
	resource   string
	singular   string
	namespaced bool
	status     bool
	object     func() runtime.Object
	list       func() runtime.Object
	shortNames []string
}

var kinds = []kind{
	{corev1.SchemeGroupVersion, "pods", "pod", true, true, func() runtime.Object { return &corev1.Pod{} }, func() runtime.Object { return &corev1.PodList{} }, []string{"po"}},
	{corev1.SchemeGroupVersion, "nodes", "node", false, true, func() runtime.Object { return &corev1.Node{} }, func() runtime.Object { return &corev1.NodeList{} }, []string{"no"}},
	{corev1.SchemeGroupVersion, "namespaces", "namespace", false, true, func() runtime.Object { return &corev1.Namespace{} }, func() runtime.Object { return &corev1.NamespaceList{} }, []string{"ns"}},
	{corev1.SchemeGroupVersion, "events", "event", true, false, func() runtime.Object { return &corev1.Event{} }, func() runtime.Object { return &corev1.EventList{} }, []string{"ev"}},
	{corev1.SchemeGroupVersion, "secrets", "secret", true, false, func() runtime.Object { return &corev1.Secret{} }, func() runtime.Object { return &corev1.SecretList{} }, nil},
	{corev1.SchemeGroupVersion, "configmaps", "configmap", true, false, func() runtime.Object { return &corev1.ConfigMap{} }, func() runtime.Object { return &corev1.ConfigMapList{} }, []string{"cm"}},
	{corev1.SchemeGroupVersion, "serviceaccounts", "serviceaccount", true, false, func() runtime.Object { return &corev1.ServiceAccount{} }, func() runtime.Object { return &corev1.ServiceAccountList{} }, []string{"sa"}},
	{corev1.SchemeGroupVersion, "services", "service", true, true, func() runtime.Object { return &corev1.Service{} }, func() runtime.Object { return &corev1.ServiceList{} }, []string{"svc"}},
	{corev1.SchemeGroupVersion, "persistentvolumes", "persistentvolume", false, true, func() runtime.Object { return &corev1.PersistentVolume{} }, func() runtime.Object { return &corev1.PersistentVolumeList{} }, []string{"pv"}},
	{corev1.SchemeGroupVersion, "persistentvolumeclaims", "persistentvolumeclaim", true, true, func() runtime.Object { return &corev1.PersistentVolumeClaim{} }, func() runtime.Object { return &corev1.PersistentVolumeClaimList{} }, []string{"pvc"}},
	{appsv1.SchemeGroupVersion, "deployments", "deployment", true, true, func() runtime.Object { return &appsv1.Deployment{} }, func() runtime.Object { return &appsv1.DeploymentList{} }, []string{"deploy"}},
	{appsv1.SchemeGroupVersion, "replicasets", "replicaset", true, true, func() runtime.Object { return &appsv1.ReplicaSet{} }, func() runtime.Object { return &appsv1.ReplicaSetList{} }, []string{"rs"}},
	{appsv1.SchemeGroupVersion, "statefulsets", "statefulset", true, true, func() runtime.Object { return &appsv1.StatefulSet{} }, func() runtime.Object { return &appsv1.StatefulSetList{} }, []string{"sts"}},
	{appsv1.SchemeGroupVersion, "daemonsets", "daemonset", true, true, func() runtime.Object { return &appsv1.DaemonSet{} }, func() runtime.Object { return &appsv1.DaemonSetList{} }, []string{"ds"}},
	{discoveryv1.SchemeGroupVersion, "endpointslices", "endpointslice", true, false, func() runtime.Object { return &discoveryv1.EndpointSlice{} }, func() runtime.Object { return &discoveryv1.EndpointSliceList{} }, nil},
	{coordinationv1.SchemeGroupVersion, "leases", "lease", true, false, func() runtime.Object { return &coordinationv1.Lease{} }, func() runtime.Object { return &coordinationv1.LeaseList{} }, nil},
	{nodev1.SchemeGroupVersion, "runtimeclasses", "runtimeclass", false, false, func() runtime.Object { return &nodev1.RuntimeClass{} }, func() runtime.Object { return &nodev1.RuntimeClassList{} }, nil},
	{storagev1.SchemeGroupVersion, "storageclasses", "storageclass", false, false, func() runtime.Object { return &storagev1.StorageClass{} }, func() runtime.Object { return &storagev1.StorageClassList{} }, []string{"sc"}},
	{policyv1.SchemeGroupVersion, "poddisruptionbudgets", "poddisruptionbudget", true, true, func() runtime.Object { return &policyv1.PodDisruptionBudget{} }, func() runtime.Object { return &policyv1.PodDisruptionBudgetList{} }, []string{"pdb"}},
	{rbacv1.SchemeGroupVersion, "clusterroles", "clusterrole", false, false, func() runtime.Object { return &rbacv1.ClusterRole{} }, func() runtime.Object { return &rbacv1.ClusterRoleList{} }, nil},
	{rbacv1.SchemeGroupVersion, "clusterrolebindings", "clusterrolebinding", false, false, func() runtime.Object { return &rbacv1.ClusterRoleBinding{} }, func() runtime.Object { return &rbacv1.ClusterRoleBindingList{} }, nil},
	{rbacv1.SchemeGroupVersion, "roles", "role", true, false, func() runtime.Object { return &rbacv1.Role{} }, func() runtime.Object { return &rbacv1.RoleList{} }, nil},
	{rbacv1.SchemeGroupVersion, "rolebindings", "rolebinding", true, false, func() runtime.Object { return &rbacv1.RoleBinding{} }, func() runtime.Object { return &rbacv1.RoleBindingList{} }, nil},
	{admissionv1.SchemeGroupVersion, "validatingwebhookconfigurations", "validatingwebhookconfiguration", false, false, func() runtime.Object { return &admissionv1.ValidatingWebhookConfiguration{} }, func() runtime.Object { return &admissionv1.ValidatingWebhookConfigurationList{} }, nil},
	{admissionv1.SchemeGroupVersion, "validatingadmissionpolicies", "validatingadmissionpolicy", false, true, func() runtime.Object { return &admissionv1.ValidatingAdmissionPolicy{} }, func() runtime.Object { return &admissionv1.ValidatingAdmissionPolicyList{} }, nil},
	{admissionv1.SchemeGroupVersion, "validatingadmissionpolicybindings", "validatingadmissionpolicybinding", false, false, func() runtime.Object { return &admissionv1.ValidatingAdmissionPolicyBinding{} }, func() runtime.Object { return &admissionv1.ValidatingAdmissionPolicyBindingList{} }, nil},
	{admissionv1.SchemeGroupVersion, "mutatingwebhookconfigurations", "mutatingwebhookconfiguration", false, false, func() runtime.Object { return &admissionv1.MutatingWebhookConfiguration{} }, func() runtime.Object { return &admissionv1.MutatingWebhookConfigurationList{} }, nil},
}

// registerTypes makes the v1 types known, also as their own internal version: nothing is converted between the two.
func registerTypes(scheme *runtime.Scheme) ([]schema.GroupVersion, error) {
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, discoveryv1.AddToScheme, coordinationv1.AddToScheme, nodev1.AddToScheme,
		storagev1.AddToScheme, policyv1.AddToScheme, rbacv1.AddToScheme, admissionv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	scheme.AddKnownTypes(schema.GroupVersion{Version: runtime.APIVersionInternal}, &corev1.Binding{})
	if err := addCopying(scheme, &corev1.Binding{}); err != nil {
		return nil, err
	}
	var versions []schema.GroupVersion
	seen := map[schema.GroupVersion]bool{}
	for _, k := range kinds {
		internal := schema.GroupVersion{Group: k.version.Group, Version: runtime.APIVersionInternal}
		scheme.AddKnownTypes(internal, k.object(), k.list())
		if err := addCopying(scheme, k.object()); err != nil {
			return nil, err
		}
		if !seen[k.version] {
			seen[k.version] = true
			versions = append(versions, k.version)
			if err := scheme.SetVersionPriority(k.version); err != nil {
				return nil, err
			}
		}
		gvk, _, err := scheme.ObjectKinds(k.object())
		if err != nil {
			return nil, err
		}
		if err := scheme.AddFieldLabelConversionFunc(k.version.WithKind(gvk[0].Kind), func(label, value string) (string, string, error) {
			return label, value, nil
		}); err != nil {
			return nil, err
		}
	}
	return versions, nil
}

// installKinds serves every kind with the generic store.
func installKinds(server *genericapiserver.GenericAPIServer, getter generic.RESTOptionsGetter) error {
	storage := map[schema.GroupVersion]map[string]rest.Storage{}
	var order []schema.GroupVersion
	for _, k := range kinds {
		main, err := newStore(k, strategy{kind: k, ObjectTyper: apiserver.Scheme}, getter)
		if err != nil {
			return fmt.Errorf("%s: %w", k.resource, err)
		}
		if storage[k.version] == nil {
			storage[k.version] = map[string]rest.Storage{}
			order = append(order, k.version)
		}
		storage[k.version][k.resource] = &resource{Store: main, kind: k}
		if k.resource == "pods" {
			bind := *main
			bind.UpdateStrategy = bindingStrategy{strategy{kind: k, ObjectTyper: apiserver.Scheme}}
			storage[k.version]["pods/binding"] = &bindingResource{store: &bind}
			storage[k.version]["bindings"] = &legacyBindingResource{bindingResource{store: &bind}}
		}
		if k.status {
			status := *main
			status.UpdateStrategy = statusStrategy{strategy{kind: k, ObjectTyper: apiserver.Scheme}}
			status.ResetFieldsStrategy = nil
			storage[k.version][k.resource+"/status"] = &statusResource{store: &status}
		}
	}
	for _, version := range order {
		info := genericapiserver.NewDefaultAPIGroupInfo(version.Group, apiserver.Scheme, metav1.ParameterCodec, apiserver.Codecs)
		info.PrioritizedVersions = []schema.GroupVersion{version}
		info.VersionedResourcesStorageMap[version.Version] = storage[version]
		var err error
		if version.Group == "" {
			err = server.InstallLegacyAPIGroup("/api", &info)
		} else {
			err = server.InstallAPIGroup(&info)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", version, err)
		}
	}
	return nil
}

func newStore(k kind, s strategy, getter generic.RESTOptionsGetter) (*registry.Store, error) {
	store := &registry.Store{
		NewFunc:                   k.object,
		NewListFunc:               k.list,
		PredicateFunc:             match,
		DefaultQualifiedResource:  k.version.WithResource(k.resource).GroupResource(),
		SingularQualifiedResource: k.version.WithResource(k.singular).GroupResource(),
		CreateStrategy:            s,
		UpdateStrategy:            s,
		DeleteStrategy:            deleteStrategyFor(s),
		TableConvertor:            tableFor(k),
	}
	return store, store.CompleteWithOptions(&generic.StoreOptions{RESTOptions: getter, AttrFunc: attributes})
}

// resource adds kubectl's short names, and the category "all" where kubectl has it, to a store.
type resource struct {
	*registry.Store
	kind kind
}

func (r *resource) ShortNames() []string { return r.kind.shortNames }

func (r *resource) Categories() []string {
	switch r.kind.resource {
	case "pods", "services", "deployments", "replicasets", "statefulsets", "daemonsets":
		return []string{"all"}
	}
	return nil
}

// statusResource serves only a kind's status.
type statusResource struct {
	store *registry.Store
}

func (r *statusResource) New() runtime.Object { return r.store.New() }
func (r *statusResource) Destroy()            {}
func (r *statusResource) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	return r.store.Get(ctx, name, options)
}
func (r *statusResource) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return r.store.Update(ctx, name, info, create, update, false, options)
}
func (r *statusResource) ConvertToTable(ctx context.Context, object runtime.Object, options runtime.Object) (*metav1.Table, error) {
	return r.store.ConvertToTable(ctx, object, options)
}

func createNamespaces(hook genericapiserver.PostStartHookContext) error {
	client, err := kubernetes.NewForConfig(hook.LoopbackClientConfig)
	if err != nil {
		return err
	}
	for _, name := range []string{"default", "kube-system", "kube-node-lease"} {
		_, err := client.CoreV1().Namespaces().Create(hook, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		if err != nil {
			if _, getErr := client.CoreV1().Namespaces().Get(hook, name, metav1.GetOptions{}); getErr != nil {
				return err
			}
		}
	}
	return nil
}
