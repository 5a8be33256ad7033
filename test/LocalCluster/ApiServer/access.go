package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/url"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/request/union"
	x509request "k8s.io/apiserver/pkg/authentication/request/x509"
	"k8s.io/apiserver/pkg/authentication/token/tokenfile"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/apiserver/pkg/util/webhook"
)

// newAuthenticator knows people by client certificate (CN and O) and programs by a token from a file.
func newAuthenticator(ca dynamiccertificates.CAContentProvider, tokens string) (authenticator.Request, error) {
	verify := func() (x509.VerifyOptions, bool) { return ca.VerifyOptions() }
	all := []authenticator.Request{x509request.NewDynamic(verify, x509request.CommonNameUserConversion)}
	if tokens != "" {
		list, err := tokenfile.NewCSV(tokens)
		if err != nil {
			return nil, err
		}
		all = append(all, bearertoken.New(list))
	}
	return group.NewAuthenticatedGroupAdder(union.New(all...)), nil
}

// authenticatedOnly lets every known identity do everything: people and nodes of the bench have no roles.
type authenticatedOnly struct{}

func (authenticatedOnly) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	switch a.GetPath() {
	case "/livez", "/readyz", "/healthz", "/version":
		return authorizer.DecisionAllow, "", nil
	}
	if user := a.GetUser(); user != nil && user.GetName() != "" && user.GetName() != "system:anonymous" {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionDeny, "authenticate first", nil
}

type noServices struct{}

func (noServices) ResolveEndpoint(namespace, name string, port int32) (*url.URL, error) {
	return nil, fmt.Errorf("this API server calls no webhooks (%s/%s:%d)", namespace, name, port)
}

func noWebhookAuth(inner webhook.AuthenticationInfoResolver) webhook.AuthenticationInfoResolver {
	return inner
}

