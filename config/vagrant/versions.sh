# shellcheck shell=sh disable=SC2034
# What the machines of the Vagrantfile run. Kubernetes and CRI-O go together.
kubernetes=v1.36
# crun reads CRIU's configuration file only through libcriu 4.2 or newer, and Ubuntu 22.04 carries 3.16: both are built.
criu=v4.2
crun=1.28
