package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apiserver/pkg/registry/rest"
)

type column = metav1.TableColumnDefinition

// table prints a kind as kubectl's users know it.
type table struct {
	columns []column
	row     func(runtime.Object) []any
}

func tableFor(k kind) rest.TableConvertor {
	switch k.resource {
	case "pods":
		return table{[]column{
			{Name: "Name", Type: "string", Format: "name"}, {Name: "Ready", Type: "string"}, {Name: "Status", Type: "string"},
			{Name: "Restarts", Type: "string"}, {Name: "Age", Type: "string"},
			{Name: "IP", Type: "string", Priority: 1}, {Name: "Node", Type: "string", Priority: 1},
		}, podRow}
	case "nodes":
		return table{[]column{
			{Name: "Name", Type: "string", Format: "name"}, {Name: "Status", Type: "string"}, {Name: "Age", Type: "string"},
			{Name: "Version", Type: "string"}, {Name: "Internal-IP", Type: "string", Priority: 1},
			{Name: "Container-Runtime", Type: "string", Priority: 1},
		}, nodeRow}
	case "events":
		return table{[]column{
			{Name: "Last Seen", Type: "string"}, {Name: "Type", Type: "string"}, {Name: "Reason", Type: "string"},
			{Name: "Object", Type: "string"}, {Name: "Message", Type: "string"},
		}, eventRow}
	}
	return rest.NewDefaultTableConvertor(k.version.WithResource(k.resource).GroupResource())
}

func (t table) ConvertToTable(_ context.Context, object runtime.Object, _ runtime.Object) (*metav1.Table, error) {
	result := &metav1.Table{ColumnDefinitions: t.columns}
	add := func(item runtime.Object) error {
		result.Rows = append(result.Rows, metav1.TableRow{Cells: t.row(item), Object: runtime.RawExtension{Object: item}})
		return nil
	}
	if list, err := meta.ListAccessor(object); err == nil {
		result.ResourceVersion, result.Continue = list.GetResourceVersion(), list.GetContinue()
		return result, meta.EachListItem(object, add)
	}
	if accessor, err := meta.Accessor(object); err == nil {
		result.ResourceVersion = accessor.GetResourceVersion()
	}
	return result, add(object)
}

func age(t time.Time) string {
	if t.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(time.Since(t))
}

func orNone(s string) string {
	if s == "" {
		return "<none>"
	}
	return s
}

func podRow(object runtime.Object) []any {
	pod := object.(*corev1.Pod)
	ready, restarts, status := 0, int32(0), string(pod.Status.Phase)
	if pod.Status.Reason != "" {
		status = pod.Status.Reason
	}
	for i := len(pod.Status.ContainerStatuses) - 1; i >= 0; i-- {
		c := pod.Status.ContainerStatuses[i]
		restarts += c.RestartCount
		switch {
		case c.State.Waiting != nil && c.State.Waiting.Reason != "":
			status = c.State.Waiting.Reason
		case c.State.Terminated != nil && c.State.Terminated.Reason != "":
			status = c.State.Terminated.Reason
		case c.Ready && c.State.Running != nil:
			ready++
		}
	}
	if pod.DeletionTimestamp != nil {
		status = "Terminating"
	}
	return []any{pod.Name, fmt.Sprintf("%d/%d", ready, len(pod.Spec.Containers)), status, fmt.Sprint(restarts),
		age(pod.CreationTimestamp.Time), orNone(pod.Status.PodIP), orNone(pod.Spec.NodeName)}
}

func nodeRow(object runtime.Object) []any {
	node := object.(*corev1.Node)
	status, address := "Unknown", ""
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			status = map[corev1.ConditionStatus]string{corev1.ConditionTrue: "Ready", corev1.ConditionFalse: "NotReady"}[c.Status]
		}
	}
	if node.Spec.Unschedulable {
		status += ",SchedulingDisabled"
	}
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			address = a.Address
		}
	}
	return []any{node.Name, status, age(node.CreationTimestamp.Time), node.Status.NodeInfo.KubeletVersion, orNone(address),
		node.Status.NodeInfo.ContainerRuntimeVersion}
}

func eventRow(object runtime.Object) []any {
	event := object.(*corev1.Event)
	last := event.LastTimestamp.Time
	if last.IsZero() {
		last = event.CreationTimestamp.Time
	}
	return []any{age(last), event.Type, event.Reason, event.InvolvedObject.Kind + "/" + event.InvolvedObject.Name, event.Message}
}
