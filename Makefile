# The two commands of the README, and what they share.
# No welcome, no certificate in the user's store, no telemetry from a build.
export DOTNET_NOLOGO := 1
export DOTNET_GENERATE_ASPNET_CERTIFICATE := false
export DOTNET_CLI_TELEMETRY_OPTOUT := 1

.PHONY: build demo test test-parts test-unified bench-storage bench-migration scale simulate generate bench-install images plugins

# Everything is compiled once; what runs in the cluster is published of it.
build:
	@[ -e artifacts/agent ] || echo "Building everything for the first time, which takes some minutes."
	dotnet build PodCheckpointing.sln --nologo -v q
	for part in operator:controllers/Manager agent:agent store:storage/Tool kubelet:test/LocalCluster/Kubelet controllers:test/LocalCluster/Controllers; do \
	  dotnet publish "$${part#*:}" --no-build -o "artifacts/$${part%%:*}" --nologo -v q || exit 1; \
	done

# The images of operator and agent as OCI archives in artifacts/images, without a registry.
images: build
	config/images/build.sh

bench-install:
	test/LocalCluster/cluster.sh install

demo: build bench-install
	test/LocalCluster/demo.sh

test: build plugins images bench-install test-parts
	test/run.sh

# What component tests need beside the bench.
test-parts: bench-install
	test/parts.sh

# Kubelet, containerd and the agent on a machine with systemd and cgroup v2, which QEMU emulates: a quarter of an hour, and not of "test".
test-unified: build test-parts
	dotnet run --no-build --project test/Component -- --filter FullyQualifiedName~UnifiedNodeTests --no-ansi --no-progress

# SEED=<n> make simulate replays one seed and prints what happened.
simulate:
	dotnet run --project test/Simulation -- 10000

# 1,000 migrations at once against agents that do nothing, on a real API server; the last line sums it up. Quiet machines only.
scale: build bench-install
	mkdir -p artifacts
	rm -f artifacts/scale.txt
	SCALE=1000 SCALE_REPORT=$(CURDIR)/artifacts/scale.txt dotnet run --no-build --project test/Component -- \
	  --filter FullyQualifiedName~ScaleTests --no-ansi --no-progress; code=$$?; cat artifacts/scale.txt; exit $$code

generate:
	dotnet run --project config/Generate

# Write and read paths of the store against zstd, cp and tar; BENCH="--size 256 --repetitions 3" for a short look.
bench-storage:
	dotnet build test/Benchmarks --nologo -v q
	test/Benchmarks/bin/Release/net10.0/PodCheckpointing.Benchmarks $(BENCH)

# 50 migrations in a row on the local cluster: each step's times, and CRIU's own.
bench-migration: build bench-install
	test/LocalCluster/bench-migration.sh 50

# The kubectl plug-ins: one file that needs the .NET runtime, and the names that kubectl looks for.
plugins: build
	rm -rf artifacts/plugins
	dotnet publish api/Kubectl --no-build -p:PublishSingleFile=true -p:DebugType=none -p:GenerateDocumentationFile=false \
	  -p:AllowedReferenceRelatedFileExtensions=none -o artifacts/plugins --nologo -v q
	for name in kubectl-create-podmigration kubectl-create-podcheckpoint kubectl_complete-podmigration; do \
	  ln -s kubectl-podmigration "artifacts/plugins/$$name" || exit 1; \
	done
