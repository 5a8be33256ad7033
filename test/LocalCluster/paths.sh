# Where the bench has what; read by its scripts, which set "here" to this folder.
# shellcheck shell=bash disable=SC2034,SC2154

repo=$(cd "$here/../.." && pwd)
cache=${POD_CHECKPOINTING_CACHE:-/var/cache/pod-checkpointing}
hash_of() { cat "$@" | sha256sum | cut -c1-12; }
apiserver=${KUBEBUILDER_ASSETS:-$cache/apiserver-$(hash_of "$here"/ApiServer/*.go "$here/ApiServer/install.sh" "$here/debian.sh")}
tree=$cache/node-tree-$(hash_of "$here/Nodes/install.sh" "$here/debian.sh")
images=$cache/images-$(hash_of "$here/Images/build.sh" "$here/Nodes/install.sh")
runs=${POD_CHECKPOINTING_RUN:-/var/tmp/pod-checkpointing}
system=pod-checkpointing-system
