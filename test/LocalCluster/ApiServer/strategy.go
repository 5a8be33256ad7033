package main

import (
	"context"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/names"
)

// strategy is what all kinds share: status and spec have separate writers, generation follows the spec.
type strategy struct {
	runtime.ObjectTyper
	kind kind
}

func (s strategy) GenerateName(base string) string { return names.SimpleNameGenerator.GenerateName(base) }
func (s strategy) NamespaceScoped() bool           { return s.kind.namespaced }
func (s strategy) AllowCreateOnUpdate() bool       { return s.kind.resource == "leases" || s.kind.resource == "events" }
func (s strategy) AllowUnconditionalUpdate() bool  { return true }
func (s strategy) Canonicalize(runtime.Object)     {}

func part(object runtime.Object, name string) reflect.Value {
	return reflect.ValueOf(object).Elem().FieldByName(name)
}

func (s strategy) PrepareForCreate(_ context.Context, object runtime.Object) {
	setPolicyDefaults(object)
	if accessor, err := meta.Accessor(object); err == nil {
		accessor.SetGeneration(1)
	}
	if status := part(object, "Status"); s.kind.status && status.IsValid() {
		status.Set(reflect.Zero(status.Type()))
	}
	switch o := object.(type) {
	case *corev1.Pod:
		setPodDefaults(o)
	case *corev1.Namespace:
		o.Status.Phase = corev1.NamespaceActive
	}
}

func setPodDefaults(pod *corev1.Pod) {
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending, QOSClass: corev1.PodQOSBestEffort}
	if pod.Spec.RestartPolicy == "" {
		pod.Spec.RestartPolicy = corev1.RestartPolicyAlways
	}
	if pod.Spec.TerminationGracePeriodSeconds == nil {
		period := int64(corev1.DefaultTerminationGracePeriodSeconds)
		pod.Spec.TerminationGracePeriodSeconds = &period
	}
	if pod.Spec.DNSPolicy == "" {
		pod.Spec.DNSPolicy = corev1.DNSClusterFirst
	}
	if pod.Spec.SecurityContext == nil {
		pod.Spec.SecurityContext = &corev1.PodSecurityContext{}
	}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			if list[i].ImagePullPolicy == "" {
				list[i].ImagePullPolicy = corev1.PullIfNotPresent
			}
			if list[i].TerminationMessagePath == "" {
				list[i].TerminationMessagePath = corev1.TerminationMessagePathDefault
			}
			if list[i].TerminationMessagePolicy == "" {
				list[i].TerminationMessagePolicy = corev1.TerminationMessageReadFile
			}
			setProbeDefaults(list[i].LivenessProbe)
			setProbeDefaults(list[i].ReadinessProbe)
			setProbeDefaults(list[i].StartupProbe)
		}
	}
}

func setProbeDefaults(probe *corev1.Probe) {
	if probe == nil {
		return
	}
	for value, standard := range map[*int32]int32{&probe.PeriodSeconds: 10, &probe.TimeoutSeconds: 1, &probe.SuccessThreshold: 1, &probe.FailureThreshold: 3} {
		if *value == 0 {
			*value = standard
		}
	}
}

func (s strategy) Validate(_ context.Context, object runtime.Object) field.ErrorList {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return nil
	}
	var errors field.ErrorList
	if len(pod.Spec.Containers) == 0 {
		errors = append(errors, field.Required(field.NewPath("spec", "containers"), ""))
	}
	for i, container := range pod.Spec.Containers {
		path := field.NewPath("spec", "containers").Index(i)
		if container.Name == "" {
			errors = append(errors, field.Required(path.Child("name"), ""))
		}
		if container.Image == "" {
			errors = append(errors, field.Required(path.Child("image"), ""))
		}
	}
	return errors
}

func (s strategy) WarningsOnCreate(context.Context, runtime.Object) []string                 { return nil }
func (s strategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string { return nil }

func (s strategy) PrepareForUpdate(_ context.Context, object, old runtime.Object) {
	setPolicyDefaults(object)
	if s.kind.status {
		part(object, "Status").Set(part(old, "Status"))
	}
	spec := part(object, "Spec")
	accessor, _ := meta.Accessor(object)
	oldAccessor, _ := meta.Accessor(old)
	accessor.SetGeneration(oldAccessor.GetGeneration())
	if spec.IsValid() && !equality.Semantic.DeepEqual(spec.Interface(), part(old, "Spec").Interface()) {
		accessor.SetGeneration(oldAccessor.GetGeneration() + 1)
	}
}

func (s strategy) ValidateUpdate(_ context.Context, object, old runtime.Object) field.ErrorList {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return nil
	}
	// As in Kubernetes: image, tolerations and the deadline may change, nothing else.
	changed := pod.Spec.DeepCopy()
	before := old.(*corev1.Pod).Spec
	changed.Tolerations, changed.ActiveDeadlineSeconds = before.Tolerations, before.ActiveDeadlineSeconds
	changed.TerminationGracePeriodSeconds = before.TerminationGracePeriodSeconds
	for i := range changed.Containers {
		if i < len(before.Containers) {
			changed.Containers[i].Image = before.Containers[i].Image
		}
	}
	if !equality.Semantic.DeepEqual(*changed, before) {
		return field.ErrorList{field.Forbidden(field.NewPath("spec"), "pod updates may not change fields other than `spec.containers[*].image`,`spec.tolerations`,`spec.activeDeadlineSeconds`,`spec.terminationGracePeriodSeconds`")}
	}
	return nil
}

// statusStrategy writes the status and nothing else.
type statusStrategy struct{ strategy }

func (s statusStrategy) PrepareForUpdate(_ context.Context, object, old runtime.Object) {
	status := reflect.New(part(object, "Status").Type()).Elem()
	status.Set(part(object, "Status"))
	accessor, _ := meta.Accessor(object)
	version, fields := accessor.GetResourceVersion(), accessor.GetManagedFields()
	labels, annotations := accessor.GetLabels(), accessor.GetAnnotations()
	reflect.ValueOf(object).Elem().Set(reflect.ValueOf(old.DeepCopyObject()).Elem())
	part(object, "Status").Set(status)
	accessor.SetResourceVersion(version)
	accessor.SetManagedFields(fields)
	if s.kind.resource == "pods" {
		// As in Kubernetes: who may write a pod's status may write its labels and annotations.
		accessor.SetLabels(labels)
		accessor.SetAnnotations(annotations)
	}
}

func (s statusStrategy) ValidateUpdate(context.Context, runtime.Object, runtime.Object) field.ErrorList {
	return nil
}

// podDeletion waits for kubelet: a bound pod stays until somebody deletes it with a grace period of zero.
type podDeletion struct{ strategy }

func (podDeletion) CheckGracefulDelete(_ context.Context, object runtime.Object, options *metav1.DeleteOptions) bool {
	if options == nil {
		return false
	}
	pod := object.(*corev1.Pod)
	period := int64(0)
	if options.GracePeriodSeconds != nil {
		period = *options.GracePeriodSeconds
	} else if pod.Spec.TerminationGracePeriodSeconds != nil {
		period = *pod.Spec.TerminationGracePeriodSeconds
	}
	if pod.Spec.NodeName == "" || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		period = 0
	}
	if period < 0 {
		period = 1
	}
	options.GracePeriodSeconds = &period
	return true
}

func deleteStrategyFor(s strategy) rest.RESTDeleteStrategy {
	if s.kind.resource == "pods" {
		return podDeletion{s}
	}
	return s
}

func match(label labels.Selector, field fields.Selector) storage.SelectionPredicate {
	return storage.SelectionPredicate{Label: label, Field: field, GetAttrs: attributes}
}

func attributes(object runtime.Object) (labels.Set, fields.Set, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return nil, nil, err
	}
	set := generic.ObjectMetaFieldsSet(&metav1.ObjectMeta{Name: accessor.GetName(), Namespace: accessor.GetNamespace()}, true)
	switch o := object.(type) {
	case *corev1.Pod:
		set["spec.nodeName"] = o.Spec.NodeName
		set["status.phase"] = string(o.Status.Phase)
		set["spec.restartPolicy"] = string(o.Spec.RestartPolicy)
	case *corev1.Event:
		set["involvedObject.kind"] = o.InvolvedObject.Kind
		set["involvedObject.namespace"] = o.InvolvedObject.Namespace
		set["involvedObject.name"] = o.InvolvedObject.Name
		set["involvedObject.uid"] = string(o.InvolvedObject.UID)
		set["reason"] = o.Reason
		set["type"] = o.Type
	}
	return accessor.GetLabels(), set, nil
}
