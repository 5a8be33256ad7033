#!/bin/sh
# Prints the two TLS secrets as YAML, from a certificate authority made for them and forgotten at once:
#   config/certificates.sh | kubectl apply -f -
# Both sides check the other's DNS name against one CA. Run it again to renew; then restart both.
set -eu
days=${1:-365}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
key ca.key
openssl req -x509 -new -key ca.key -days "$days" -subj /CN=pod-checkpointing-ca -out ca.crt

# secret <secret's name> <DNS name>
secret() {
  key tls.key
  openssl req -new -key tls.key -subj "/CN=$2" -out tls.csr
  printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature\n' "$2" >extensions
  openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days "$days" -extfile extensions -out tls.crt 2>/dev/null
  cat <<END
apiVersion: v1
kind: Secret
metadata:
  name: $1
  namespace: pod-checkpointing-system
type: kubernetes.io/tls
data:
  ca.crt: $(base64 -w 0 <ca.crt)
  tls.crt: $(base64 -w 0 <tls.crt)
  tls.key: $(base64 -w 0 <tls.key)
END
}

secret checkpoint-agent-tls checkpoint-agent
echo ---
secret pod-checkpointing-operator-tls pod-checkpointing-operator
