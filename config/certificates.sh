#!/bin/sh
# Prints the two TLS secrets as YAML:
#   config/certificates.sh [DAYS [FOLDER [next|replace]]] | kubectl apply -f -
# Both sides check the other's DNS name against one authority, and read their files at every handshake: a renewed secret
# counts as soon as kubelet has brought it to the pods, without a restart.
# Without FOLDER the authority is made for these two and forgotten at once; both sides then change over together, and do not
# understand each other until kubelet has brought both secrets, about a minute: calls fail meanwhile and are repeated.
# With FOLDER it is kept there (ca.key: guard it) and renewing is without such a gap; every *.crt of the folder is trusted. Nor has
# replacing the authority a gap, in two runs: "next" makes another, which is trusted from then on and signs nothing yet; some
# minutes later, when kubelet has brought that everywhere, "replace" signs with it. The one before is trusted as old.crt until that
# file is removed and the plain line is run. NAMESPACE: the installation's.
set -eu
days=${1:-365}
authority=${2:-}
change=${3:-}
namespace=${NAMESPACE:-pod-checkpointing-system}
umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() {
  echo "$1" >&2
  exit 1
}
[ -n "$authority" ] || [ -z "$change" ] || fail "\"$change\" needs the FOLDER in which the authority is kept"
[ -n "$authority" ] || authority=$folder/authority
mkdir -p "$authority"
authority=$(cd "$authority" && pwd)
cd "$folder"

# What openssl says is for the one who looks for a failure.
quietly() { "$@" 2>said || { cat said >&2; fail "$1 $2 failed, nothing is printed: see above"; }; }
key() { quietly openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

# ensure NAME: ca or next, in the folder; both of its files or none.
ensure() {
  case $([ ! -e "$authority/$1.key" ] || echo key)$([ ! -e "$authority/$1.crt" ] || echo crt) in
    keycrt) return ;;
    '') ;;
    *) fail "$authority has one of $1.key and $1.crt only: put the other back, or remove it for an authority that nobody trusts yet" ;;
  esac
  key "$1.key"
  # Each has a name of its own: one that replaces another must not be taken for it.
  quietly openssl req -x509 -new -key "$1.key" -days "$((days * 10))" -subj "/CN=pod-checkpointing-ca-$(openssl rand -hex 4)" -out "$1.crt"
  mv "$1.crt" "$1.key" "$authority"
}

case $change in
  '') ensure ca ;;
  next)
    ensure ca
    ensure next ;;
  replace)
    [ -e "$authority/next.crt" ] || [ ! -e "$authority/old.crt" ] ||
      fail "$authority has an old.crt and no next.crt, so it has been replaced: run the line without \"replace\" to have its secrets again, or \"next\" first to replace it once more"
    [ -e "$authority/next.crt" ] || fail "$authority has no next.crt: \"next\" first, and \"replace\" some minutes later"
    # In an order that can be gone through again after its first part.
    cp "$authority/ca.crt" "$authority/old.crt"
    [ ! -e "$authority/next.key" ] || mv "$authority/next.key" "$authority/ca.key"
    mv "$authority/next.crt" "$authority/ca.crt" ;;
  *) fail "\"$change\": write next or replace, or nothing" ;;
esac
cat "$authority"/*.crt >trusted.pem

# secret <secret's name> <DNS name>
secret() {
  key tls.key
  quietly openssl req -new -key tls.key -subj "/CN=$2" -out tls.csr
  printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature\n' "$2" >extensions
  quietly openssl x509 -req -in tls.csr -CA "$authority/ca.crt" -CAkey "$authority/ca.key" -set_serial "0x$(openssl rand -hex 16)" \
    -days "$days" -extfile extensions -out tls.crt
  cat <<END
apiVersion: v1
kind: Secret
metadata:
  name: $1
  namespace: $namespace
type: kubernetes.io/tls
data:
  ca.crt: $(base64 -w 0 <trusted.pem)
  tls.crt: $(base64 -w 0 <tls.crt)
  tls.key: $(base64 -w 0 <tls.key)
END
}

# Both or none.
{
  secret checkpoint-agent-tls checkpoint-agent
  echo ---
  secret pod-checkpointing-operator-tls pod-checkpointing-operator
} >secrets.yaml
cat secrets.yaml
