# shellcheck shell=bash disable=SC2154
# What kind asks of a node image, read from its own module. Sourced after lib.sh and go.sh.

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
