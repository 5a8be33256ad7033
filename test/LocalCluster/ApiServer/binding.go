package main

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
)

// bindingStrategy lets a pod's node be written, which an ordinary update may not.
type bindingStrategy struct{ strategy }

func (bindingStrategy) ValidateUpdate(context.Context, runtime.Object, runtime.Object) field.ErrorList {
	return nil
}

// bindingResource is pods/binding, a scheduler's way to a pod. As in Kubernetes it takes the binding's annotations
// along, and admission sees the binding and not the pod.
type bindingResource struct {
	store *registry.Store
}

func (r *bindingResource) New() runtime.Object { return &corev1.Binding{} }
func (r *bindingResource) Destroy()            {}

func (r *bindingResource) Create(ctx context.Context, name string, object runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	binding, ok := object.(*corev1.Binding)
	if !ok || binding.Target.Name == "" {
		return nil, apierrors.NewBadRequest("a binding names a node")
	}
	if validate != nil {
		if err := validate(ctx, binding.DeepCopyObject()); err != nil {
			return nil, err
		}
	}
	bind := func(_ context.Context, _, existing runtime.Object) (runtime.Object, error) {
		pod := existing.DeepCopyObject().(*corev1.Pod)
		if pod.Spec.NodeName != "" {
			return nil, apierrors.NewConflict(corev1.Resource("pods"), name, nil)
		}
		pod.Spec.NodeName = binding.Target.Name
		for key, value := range binding.Annotations {
			if pod.Annotations == nil {
				pod.Annotations = map[string]string{}
			}
			pod.Annotations[key] = value
		}
		return pod, nil
	}
	_, _, err := r.store.Update(ctx, name, rest.DefaultUpdatedObjectInfo(nil, bind), rest.ValidateAllObjectFunc,
		rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{DryRun: options.DryRun})
	return &metav1.Status{Status: metav1.StatusSuccess}, err
}

// legacyBindingResource is bindings, the older way, which names the pod by the binding's own name.
type legacyBindingResource struct{ bindingResource }

func (r *legacyBindingResource) NamespaceScoped() bool   { return true }
func (r *legacyBindingResource) GetSingularName() string { return "binding" }

func (r *legacyBindingResource) Create(ctx context.Context, object runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	named, err := meta.Accessor(object)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return r.bindingResource.Create(ctx, named.GetName(), object, validate, options)
}
