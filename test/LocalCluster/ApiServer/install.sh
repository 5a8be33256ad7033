#!/bin/bash
# Makes kube-apiserver, etcd and kubectl in the folder named by $1, unless they stand there.
# Debian packages no kube-apiserver, but Kubernetes' server libraries as Go source: the program beside this file is built
# on them in a Debian sid tree, which is removed afterwards.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$1
[ -x "$out/kube-apiserver" ] && [ -x "$out/etcd" ] && [ -x "$out/kubectl" ] && exit 0
# shellcheck source=../debian.sh
. "$here/../debian.sh"

work=$(mktemp -d "$(dirname "$out")/apiserver-build.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
tree=${POD_CHECKPOINTING_GO_TREE:-}
if [ -z "$tree" ]; then
  tree=$work/tree
  debian_tree sid "$tree"
  chroot "$tree" apt-get -q -y -o Acquire::Check-Valid-Until=false install --no-install-recommends golang-go \
    golang-k8s-apiserver-dev golang-k8s-apiextensions-apiserver-dev golang-k8s-api-dev golang-k8s-client-go-dev \
    kube-openapi >"$work/apt.log" 2>&1 || { tail -20 "$work/apt.log" >&2; exit 1; }
  # Only their programs are wanted: etcd's package would set a daemon and its user up, which fails in a bare tree.
  chroot "$tree" sh -ec 'cd /tmp && apt-get -q download etcd-server kubectl && for deb in ./*.deb; do dpkg -x "$deb" /; done' \
    >>"$work/apt.log" 2>&1 || { tail -20 "$work/apt.log" >&2; exit 1; }
fi
src=usr/share/gocode/src/podcheckpointing/apiserver
mkdir -p "$tree/$src/openapi" "$tree/var/go-cache"
cp "$here"/*.go "$tree/$src/"
cat >"$tree/$src/build.sh" <<'INNER'
set -eu
go=$(readlink -f /usr/bin/go)
export GO111MODULE=off GOPATH=/usr/share/gocode GOROOT="${go%/bin/go}" GOCACHE=/var/go-cache HOME=/root CGO_ENABLED=0
cd /usr/share/gocode/src/podcheckpointing/apiserver
touch boilerplate.txt
k=k8s.io/api
openapi-gen --output-dir "$PWD/openapi" --output-pkg podcheckpointing/apiserver/openapi --output-file zz_generated.go \
  --go-header-file boilerplate.txt --report-filename /dev/null \
  $k/core/v1 $k/apps/v1 $k/coordination/v1 $k/admissionregistration/v1 $k/policy/v1 $k/discovery/v1 $k/node/v1 $k/rbac/v1 $k/storage/v1 \
  k8s.io/apimachinery/pkg/apis/meta/v1 k8s.io/apimachinery/pkg/runtime k8s.io/apimachinery/pkg/version \
  k8s.io/apimachinery/pkg/api/resource k8s.io/apimachinery/pkg/util/intstr
version=$(dpkg-query -W -f '${Version}' golang-k8s-apiserver-dev | sed 's/^0\.\([0-9]*\)\.\([0-9]*\).*/v1.\1.\2/')
go build -trimpath -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version -X k8s.io/component-base/version.gitMajor=1" -o kube-apiserver .
INNER
chroot "$tree" sh "/$src/build.sh"
mkdir "$work/out"
cp "$tree/$src/kube-apiserver" "$work/out/"
for program in etcd kubectl; do bundle_program "$tree" "/usr/bin/$program" "$work/out"; done
rm -rf "$out"
mv "$work/out" "$out"
