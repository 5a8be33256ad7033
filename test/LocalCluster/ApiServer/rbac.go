package main

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/informers"
	rbac "k8s.io/client-go/informers/rbac/v1"
	"k8s.io/client-go/kubernetes"
)

// serviceAccounts asks RBAC for service accounts, once config/rbac is installed; everybody else of the bench may do all.
type serviceAccounts struct {
	next authorizer.Authorizer
	// Nil until everything is known.
	rules atomic.Pointer[rbac.Interface]
}

func (s *serviceAccounts) start(hook genericapiserver.PostStartHookContext) error {
	client, err := kubernetes.NewForConfig(hook.LoopbackClientConfig)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	all := factory.Rbac().V1()
	all.ClusterRoles().Informer()
	all.ClusterRoleBindings().Informer()
	all.Roles().Informer()
	all.RoleBindings().Informer()
	factory.Start(hook.Done())
	go func() {
		factory.WaitForCacheSync(hook.Done())
		s.rules.Store(&all)
	}()
	return nil
}

func (s *serviceAccounts) Authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	user := a.GetUser()
	if user == nil || !strings.HasPrefix(user.GetName(), "system:serviceaccount:") || !a.IsResourceRequest() {
		return s.next.Authorize(ctx, a)
	}
	all := s.rules.Load()
	for ; all == nil; all = s.rules.Load() {
		// Just started: to refuse what a role allows would be worse than to wait for the roles.
		select {
		case <-ctx.Done():
			return authorizer.DecisionDeny, "the roles are not known yet", ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	if bindings, err := (*all).ClusterRoleBindings().Lister().List(labels.Everything()); err == nil && len(bindings) == 0 {
		// A cluster in which nobody has installed roles: its operator is no pod, and has the rights of everybody.
		return s.next.Authorize(ctx, a)
	}
	for _, rule := range rulesFor(*all, user.GetName(), a.GetNamespace()) {
		if allows(rule, a) {
			return authorizer.DecisionAllow, "", nil
		}
	}
	return authorizer.DecisionDeny, "no role allows it", nil
}

// rulesFor is what a service account is bound to, in the cluster and in the namespace that is asked for.
func rulesFor(all rbac.Interface, name, namespace string) (rules []rbacv1.PolicyRule) {
	clusterBindings, _ := all.ClusterRoleBindings().Lister().List(labels.Everything())
	for _, binding := range clusterBindings {
		if bound(binding.Subjects, name) {
			if role, err := all.ClusterRoles().Lister().Get(binding.RoleRef.Name); err == nil {
				rules = append(rules, role.Rules...)
			}
		}
	}
	if namespace == "" {
		return rules
	}
	bindings, _ := all.RoleBindings().Lister().RoleBindings(namespace).List(labels.Everything())
	for _, binding := range bindings {
		if !bound(binding.Subjects, name) {
			continue
		}
		if binding.RoleRef.Kind == "ClusterRole" {
			if role, err := all.ClusterRoles().Lister().Get(binding.RoleRef.Name); err == nil {
				rules = append(rules, role.Rules...)
			}
		} else if role, err := all.Roles().Lister().Roles(namespace).Get(binding.RoleRef.Name); err == nil {
			rules = append(rules, role.Rules...)
		}
	}
	return rules
}

func bound(subjects []rbacv1.Subject, name string) bool {
	return slices.ContainsFunc(subjects, func(s rbacv1.Subject) bool {
		return s.Kind == rbacv1.ServiceAccountKind && "system:serviceaccount:"+s.Namespace+":"+s.Name == name
	})
}

func allows(rule rbacv1.PolicyRule, a authorizer.Attributes) bool {
	resource := a.GetResource()
	if a.GetSubresource() != "" {
		resource += "/" + a.GetSubresource()
	}
	has := func(list []string, value string) bool {
		return slices.Contains(list, value) || slices.Contains(list, "*")
	}
	return has(rule.Verbs, a.GetVerb()) && has(rule.APIGroups, a.GetAPIGroup()) && has(rule.Resources, resource) &&
		(len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, a.GetName()))
}
