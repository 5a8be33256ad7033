package main

import (
	"reflect"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/options"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
)

// addAdmission has every request judged by the cluster's ValidatingAdmissionPolicies, and nothing created in a namespace
// that is being deleted, as in Kubernetes.
func addAdmission(config *genericapiserver.RecommendedConfig, recommended *options.RecommendedOptions) error {
	client, err := kubernetes.NewForConfig(config.LoopbackClientConfig)
	if err != nil {
		return err
	}
	untyped, err := dynamic.NewForConfig(config.LoopbackClientConfig)
	if err != nil {
		return err
	}
	config.ClientConfig = config.LoopbackClientConfig
	config.SharedInformerFactory = informers.NewSharedInformerFactory(client, 0)
	plugins := &options.AdmissionOptions{
		RecommendedPluginOrder: []string{lifecycle.PluginName, validating.PluginName},
		Plugins:                admission.NewPlugins(),
	}
	lifecycle.Register(plugins.Plugins)
	validating.Register(plugins.Plugins)
	return plugins.ApplyTo(
		&config.Config, config.SharedInformerFactory, client, untyped, recommended.FeatureGate, config.EffectiveVersion)
}

// addCopying makes "conversion" from a type to itself known: policies are shown objects in the version they ask for.
func addCopying(scheme *runtime.Scheme, object runtime.Object) error {
	return scheme.AddConversionFunc(object, object, func(from, to any, _ conversion.Scope) error {
		reflect.ValueOf(to).Elem().Set(reflect.ValueOf(from.(runtime.Object).DeepCopyObject()).Elem())
		return nil
	})
}

// setPolicyDefaults fills in what Kubernetes would: an absent selector matches everything, an error refuses.
func setPolicyDefaults(object runtime.Object) {
	switch o := object.(type) {
	case *admissionv1.ValidatingAdmissionPolicy:
		if o.Spec.FailurePolicy == nil {
			fail := admissionv1.Fail
			o.Spec.FailurePolicy = &fail
		}
		setMatchDefaults(o.Spec.MatchConstraints)
	case *admissionv1.ValidatingAdmissionPolicyBinding:
		setMatchDefaults(o.Spec.MatchResources)
	}
}

func setMatchDefaults(match *admissionv1.MatchResources) {
	if match == nil {
		return
	}
	if match.MatchPolicy == nil {
		equivalent := admissionv1.Equivalent
		match.MatchPolicy = &equivalent
	}
	if match.NamespaceSelector == nil {
		match.NamespaceSelector = &metav1.LabelSelector{}
	}
	if match.ObjectSelector == nil {
		match.ObjectSelector = &metav1.LabelSelector{}
	}
	for _, rules := range [][]admissionv1.NamedRuleWithOperations{match.ResourceRules, match.ExcludeResourceRules} {
		for i := range rules {
			if rules[i].Scope == nil {
				all := admissionv1.AllScopes
				rules[i].Scope = &all
			}
		}
	}
}
