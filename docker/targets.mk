# Images and the tests on a cluster; included by the Makefile.

# Debian's client works without buildx; give another by DOCKER=...
DOCKER ?= docker
VERSION ?= 0.1.0
BASE_IMAGE ?= python:3.11-slim-bookworm
GPU_BASE_IMAGE ?= nvidia/cuda:13.0.2-base-ubuntu24.04
# Of the CUDA version of GPU_BASE_IMAGE.
GPU_TORCH_INDEX ?= https://download.pytorch.org/whl/cu130
# 1 refuses bases that are not pinned by a digest.
RELEASE ?= 0
# 1 asks no package index: all wheels come from build/wheels.
PIP_NO_INDEX ?= 0
# Of pyproject.toml, with commas between, in all images, like formats,video.
EXTRAS ?= formats
IMAGE_ARGS = --build-arg BASE_IMAGE=$(BASE_IMAGE) --build-arg PIP_NO_INDEX=$(PIP_NO_INDEX) \
  --build-arg EXTRAS=$(EXTRAS) \
  --build-arg CPU_TORCH_INDEX=$(TORCH_INDEX) \
  --build-arg VERSION=$(VERSION) --build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null || echo unknown)
pinned = $(if $(filter-out 1,$(RELEASE)),,$(if $(findstring @sha256:,$(2)),,$(error $(1)=$(2) is not pinned: give \
  it as name@sha256:..., which docker buildx imagetools inspect tells)))
SBOM_OF ?= prefetch cpu
HELM ?= helm
CHECK_VENV ?= build/check-venv

# Where `make release` pushes to, like ghcr.io/team, and with which tag; GPU=0 trains in the cpu image.
REGISTRY ?=
TAG ?= $(VERSION)
GPU ?= 1
# Of pipelines/compile.py, like --secret NAME --window-size 8Gi.
COMPILE_ARGS ?=

.PHONY: wheels images image-gpu release to-a-registry check-tools docker-check manifest-check sbom chart-check e2e

wheels: install ## Collect the images' wheels in build/wheels, for a build without network
	@mkdir -p build/wheels
	$(BIN)/python docker/dependencies.py pyproject.toml train,$(EXTRAS) > build/requirements.txt
	$(BIN)/python docker/packages.py wheels --into build/wheels --torch-index '$(TORCH_INDEX)' -- \
	  --constraint constraints.txt --requirement build/requirements.txt hatchling

images: ## Build the prefetch and cpu images
	$(call pinned,BASE_IMAGE,$(BASE_IMAGE))
	DOCKER_BUILDKIT=1 $(DOCKER) build -f docker/Dockerfile --target prefetch $(IMAGE_ARGS) -t penstock:$(VERSION)-prefetch .
	DOCKER_BUILDKIT=1 $(DOCKER) build -f docker/Dockerfile --target cpu $(IMAGE_ARGS) -t penstock:$(VERSION)-cpu .

image-gpu: ## Build the gpu image
	$(call pinned,GPU_BASE_IMAGE,$(GPU_BASE_IMAGE))
	DOCKER_BUILDKIT=1 $(DOCKER) build -f docker/Dockerfile --target gpu $(IMAGE_ARGS) \
	  --build-arg GPU_BASE_IMAGE=$(GPU_BASE_IMAGE) --build-arg GPU_TORCH_INDEX=$(GPU_TORCH_INDEX) \
	  -t penstock:$(VERSION)-gpu .

release: to-a-registry install $(if $(filter-out 0,$(GPU)),images image-gpu,images) ## Build the images, push them to REGISTRY, and compile with their names into build/release
	$(BIN)/python docker/release.py --registry '$(REGISTRY)' --version '$(VERSION)' --tag '$(TAG)' \
	  --docker '$(DOCKER)' --out build/release $(if $(filter-out 0,$(GPU)),,--no-gpu) -- $(COMPILE_ARGS)

to-a-registry:
	$(if $(REGISTRY),,$(error make release needs REGISTRY, like REGISTRY=ghcr.io/team, to which `$(DOCKER) login` lets you in))

# Their environment is their own: checkov pins much.
$(CHECK_VENV)/.installed: k8s/requirements-check.txt
	$(PYTHON) -m venv $(CHECK_VENV)
	$(CHECK_VENV)/bin/pip install --quiet --requirement $<
	@touch $@

check-tools: $(CHECK_VENV)/.installed ## Install what docker-check and manifest-check need

docker-check: check-tools ## Lint the Dockerfile (hadolint, checkov)
	$(CHECK_VENV)/bin/hadolint docker/Dockerfile
	$(CHECK_VENV)/bin/checkov --skip-download --quiet --compact --framework dockerfile --file docker/Dockerfile

manifest-check: check-tools ## Check every manifest against the schemas of Kubernetes 1.33 to 1.37, and by checkov
	$(CHECK_VENV)/bin/python k8s/check.py --helm $(HELM)

sbom: ## Write the bills of materials of the images SBOM_OF, by syft where it is on the PATH
	@mkdir -p build/sbom
	@for target in $(SBOM_OF); do \
	  image=penstock:$(VERSION)-$$target; made=build/sbom/$$target.cdx.json; \
	  if command -v syft > /dev/null; then syft scan --quiet docker:$$image --output cyclonedx-json=$$made || exit 1; \
	  else \
	    container=$$($(DOCKER) create $$image) && \
	      { $(DOCKER) export $$container | $(PYTHON) docker/sbom.py penstock $(VERSION)-$$target > $$made; }; \
	    failed=$$?; $(DOCKER) rm $$container > /dev/null; [ $$failed = 0 ] || exit 1; \
	  fi; echo "$$made"; done

chart-check: install ## Lint the chart, render it with each of its example values, check its README
	$(HELM) lint --strict --quiet charts/penstock
	for values in charts/penstock/ci/*.yaml; do \
	  $(HELM) template penstock charts/penstock --values $$values --kube-version 1.36.0 \
	    --api-versions admissionregistration.k8s.io/v1/MutatingAdmissionPolicy \
	    --api-versions monitoring.coreos.com/v1/PodMonitor --api-versions monitoring.coreos.com/v1/PrometheusRule \
	    --api-versions argoproj.io/v1alpha1/WorkflowTemplate > /dev/null || exit 1; done
	$(BIN)/python charts/readme.py --check
	@if command -v promtool > /dev/null; then promtool check rules charts/penstock/files/rules.yaml; \
	  else echo "promtool is not on the PATH (Debian: apt-get install prometheus): the alerts were not checked"; fi

e2e: install ## Test on the cluster of KUBECONFIG; PENSTOCK_LOAD_IMAGE is the command that brings images there
	$(BIN)/pytest tests/e2e -m e2e --timeout 900 $(PYTEST_ARGS)

KIND ?= kind
KIND_CLUSTER ?= penstock
# Injection needs Kubernetes 1.36.
KIND_NODE_IMAGE ?= kindest/node:v1.36.3
ARGO_VERSION ?= v3.7.18
KIND_KUBECONFIG := build/kind.kubeconfig

.PHONY: kind-up kind-e2e kind-down

kind-up: ## Make a kind cluster with Argo Workflows (needs network)
	@mkdir -p build
	$(KIND) get clusters | grep -qx $(KIND_CLUSTER) || $(KIND) create cluster --name $(KIND_CLUSTER) \
	  --image $(KIND_NODE_IMAGE) --config k8s/kind/cluster.yaml --wait 120s
	$(KIND) get kubeconfig --name $(KIND_CLUSTER) > $(KIND_KUBECONFIG)
	kubectl --kubeconfig $(KIND_KUBECONFIG) create namespace argo --dry-run=client -o yaml | \
	  kubectl --kubeconfig $(KIND_KUBECONFIG) apply -f -
	kubectl --kubeconfig $(KIND_KUBECONFIG) apply --server-side --namespace argo -f \
	  https://github.com/argoproj/argo-workflows/releases/download/$(ARGO_VERSION)/install.yaml
	kubectl --kubeconfig $(KIND_KUBECONFIG) --namespace argo rollout status deployment/workflow-controller --timeout 300s

kind-e2e: images ## Test on the kind cluster KIND_CLUSTER
	@mkdir -p build
	$(KIND) get kubeconfig --name $(KIND_CLUSTER) > $(KIND_KUBECONFIG)
	KUBECONFIG=$(abspath $(KIND_KUBECONFIG)) PENSTOCK_LOAD_IMAGE="$(KIND) load docker-image --name $(KIND_CLUSTER)" \
	  PENSTOCK_HOST_ADDRESS=$$($(DOCKER) network inspect kind --format '{{range .IPAM.Config}}{{println .Gateway}}{{end}}' \
	    | grep -m1 -F .) $(MAKE) e2e

kind-down: ## Remove the kind cluster KIND_CLUSTER
	$(KIND) delete cluster --name $(KIND_CLUSTER)
