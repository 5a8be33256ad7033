# The two commands of the README, and what they share.
.PHONY: build demo test generate bench-install

build:
	dotnet build PodCheckpointing.sln --nologo -v q

bench-install:
	test/LocalCluster/cluster.sh install

demo: build bench-install
	test/LocalCluster/demo.sh

test: build bench-install
	test/run.sh

generate:
	dotnet run --project config/Generate
