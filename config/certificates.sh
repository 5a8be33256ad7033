#!/bin/sh
# Prints the two TLS secrets as YAML:
#   config/certificates.sh [DAYS [FOLDER]] | kubectl apply -f -
# Both sides check the other's DNS name against one authority, and read their files at every handshake: a renewed secret
# counts as soon as kubelet has brought it to the pods, without a restart.
# Without FOLDER the authority is made for these two and forgotten at once; both sides then change over together, and do not
# understand each other until kubelet has brought both secrets, about a minute: calls fail meanwhile and are repeated.
# With FOLDER it is kept there (ca.key: guard it) and renewing is without such a gap. To replace the authority itself:
# rename ca.crt to old.crt, remove ca.key, run; every *.crt of the folder is trusted. NAMESPACE: the installation's.
set -eu
days=${1:-365}
authority=${2:-}
namespace=${NAMESPACE:-pod-checkpointing-system}
umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
[ -n "$authority" ] || authority=$folder/authority
mkdir -p "$authority"
authority=$(cd "$authority" && pwd)
cd "$folder"

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
if [ ! -e "$authority/ca.key" ]; then
  key "$authority/ca.key"
  # Each has a name of its own: one that replaces another must not be taken for it.
  openssl req -x509 -new -key "$authority/ca.key" -days "$((days * 10))" \
    -subj "/CN=pod-checkpointing-ca-$(openssl rand -hex 4)" -out "$authority/ca.crt"
fi
cat "$authority"/*.crt >trusted.pem

# secret <secret's name> <DNS name>
secret() {
  key tls.key
  openssl req -new -key tls.key -subj "/CN=$2" -out tls.csr
  printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature\n' "$2" >extensions
  openssl x509 -req -in tls.csr -CA "$authority/ca.crt" -CAkey "$authority/ca.key" -set_serial "0x$(openssl rand -hex 16)" \
    -days "$days" -extfile extensions -out tls.crt 2>/dev/null
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

secret checkpoint-agent-tls checkpoint-agent
echo ---
secret pod-checkpointing-operator-tls pod-checkpointing-operator
