# shellcheck shell=bash disable=SC2154
# What kind and metrics-server ask of a node, read from their own modules. Sourced after lib.sh and go.sh.

kind_source() { source_of kubernetes sigs.k8s.io/kind; }

kind_default_image() { sed -n 's/^const Image = "\(.*\)"/\1/p' "$(kind_source)/pkg/apis/config/defaults/image.go"; }

# storage_constant NAME
storage_constant() { sed -n "s/^const $1 = \"\(.*\)\"/\1/p" "$(kind_source)/pkg/build/nodeimage/const_storage.go"; }

# kind's default StorageClass and its provisioner
storage_manifest() {
  local provisioner helper
  provisioner=$(storage_constant storageProvisionerImage) helper=$(storage_constant storageHelperImage)
  # shellcheck disable=SC2016  # backticks of Go
  awk '/^const defaultStorageManifest = `/ { inside = 1; next } inside && /^`/ { exit } inside' "$(kind_source)/pkg/build/nodeimage/const_storage.go" |
    sed "s#\` + storageProvisionerImage + \`#$provisioner#; s#\` + storageHelperImage + \`#$helper#"
}

# The release's manifest for a small machine: kind's kubelets serve self-signed certificates, and 20 s of idle waiting
# before the first probe would be most of the time until an HPA sees a figure
metrics_server_manifest() {
  "$("$infra/tools.sh" --bin)/kubectl" kustomize "$(source_of kubernetes sigs.k8s.io/metrics-server)/manifests/overlays/release" |
    sed -e 's/^\( *\)- --metric-resolution=15s/&\n\1- --kubelet-insecure-tls/' -e 's/initialDelaySeconds: 20/initialDelaySeconds: 2/' \
      -e 's/periodSeconds: 10/periodSeconds: 2/' -e 's/cpu: 100m/cpu: 10m/' -e 's/memory: 200Mi/memory: 64Mi/'
}

metrics_server_image() { awk '$1 == "image:" { print $2 }' <<<"$(metrics_server_manifest)"; }
