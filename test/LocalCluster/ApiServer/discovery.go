package main

import (
	"net/http"
	"sort"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver"
	listers "k8s.io/apiextensions-apiserver/pkg/client/listers/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/handlers/negotiation"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	genericapiserver "k8s.io/apiserver/pkg/server"
)

// groups answers GET /apis, which in a whole cluster the aggregator does.
var groups = groupList{}

type groupList struct {
	crds listers.CustomResourceDefinitionLister
}

func withGroupList(next func(http.Handler, *genericapiserver.Config) http.Handler) func(http.Handler, *genericapiserver.Config) http.Handler {
	return func(handler http.Handler, config *genericapiserver.Config) http.Handler {
		return next(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/apis" && r.URL.Path != "/apis/" {
				handler.ServeHTTP(w, r)
				return
			}
			responsewriters.WriteObjectNegotiated(apiserver.Codecs, negotiation.DefaultEndpointRestrictions, schema.GroupVersion{Version: "v1"}, w, r, http.StatusOK, groups.list(), false)
		}), config)
	}
}

func (g groupList) list() *metav1.APIGroupList {
	byName := map[string][]string{apiextensionsv1.GroupName: {"v1"}}
	for _, k := range kinds {
		if k.version.Group != "" {
			byName[k.version.Group] = []string{k.version.Version}
		}
	}
	if g.crds != nil {
		crds, _ := g.crds.List(labels.Everything())
		for _, crd := range crds {
			seen := map[string]bool{}
			for _, v := range byName[crd.Spec.Group] {
				seen[v] = true
			}
			for _, v := range crd.Spec.Versions {
				if v.Served && !seen[v.Name] {
					byName[crd.Spec.Group] = append(byName[crd.Spec.Group], v.Name)
				}
			}
		}
	}
	result := &metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	for name, versions := range byName {
		group := metav1.APIGroup{Name: name}
		for _, v := range versions {
			group.Versions = append(group.Versions, metav1.GroupVersionForDiscovery{GroupVersion: name + "/" + v, Version: v})
		}
		group.PreferredVersion = group.Versions[0]
		result.Groups = append(result.Groups, group)
	}
	sort.Slice(result.Groups, func(i, j int) bool { return result.Groups[i].Name < result.Groups[j].Name })
	return result
}
