#!/usr/bin/env bash
# The images that a node starts its control plane from: one layer with all of Kubernetes, tagged as each component.
# Names and tags are those that kubeadm, kind and containerd's configuration ask for: read there, never written here.
# usage: component-images.sh FOLDER     (root.sh has filled it; leaves the images' names in FOLDER/images)
source "$(dirname "$0")/../lib.sh"
source "$infra/go.sh"
source "$infra/node/facts.sh"
source "$infra/metrics-server.sh"
[ $# = 1 ] || usage 2
root=$1/root parts=$1/parts images=$1/images
binaries=$(module_folder kubernetes)

# image NAME FOLDER DOCKERFILE
image() {
  printf '%b' "$3" | docker build -q -t "$1" -f - "$parts/$2" >/dev/null
  echo "$1" >>"$images"
}

# applets FOLDER NAME...: busybox under these names
applets() {
  mkdir -p "$1"
  cp "$root/bin/busybox" "$1/"
  for name in "${@:2}"; do ln -s busybox "$1/$name"; done
}

# network_tools FOLDER: iptables and nft as they are in the root, with every library and extension that they load
network_tools() {
  local libraries program list
  libraries=/usr/lib/$(basename "$(dirname "$(find "$root/usr/lib" -maxdepth 2 -name xtables)")")
  list=$(
    for program in usr/sbin/xtables-nft-multi usr/sbin/xtables-legacy-multi usr/sbin/nft usr/sbin/conntrack usr/bin/kmod; do
      echo $program
      chroot "$root" ldd "/$program" | grep -oE '/(lib|usr)[^ ]+' | cut -c2-
    done
    cd "$root" && find ".$libraries/xtables" ".$libraries"/lib{m,resolv}.so.* ".$libraries"/libnss_* | cut -c3-
  )
  mkdir -p "$1"/usr/{bin,sbin,lib,lib64} "$1"/tmp "$1"/run
  ln -s usr/lib "$1/lib" && ln -s usr/lib64 "$1/lib64"
  sort -u <<<"$list" | tar -C "$root" -ch --no-recursion --hard-dereference -T - | tar -C "$1" -x --keep-directory-symlink
  for name in {ip,ip6}tables{,-save,-restore}; do ln -sf xtables-nft-multi "$1/usr/sbin/$name"; done
  applets "$1/usr/bin" sh ip sleep cat cmp cp echo
}

mkdir -p "$parts"/{kubernetes/links,network,provisioner,helper,coredns,pause}
cp "$binaries/kube" "$parts/kubernetes/"
for name in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubectl etcd metrics-server; do ln -s /usr/bin/kube "$parts/kubernetes/links/$name"; done
tar -C "$parts/kubernetes" -cf "$parts/kubernetes/links.tar" links --transform 's#^links#usr/local/bin#' && rm -r "$parts/kubernetes/links"
network_tools "$parts/tools" && tar -C "$parts/tools" -cf "$parts/network/tools.tar" .
applets "$parts/shell/bin" sh mkdir rm sleep && tar -C "$parts/shell" -cf "$parts/helper/shell.tar" .
cp "$binaries/local-path-provisioner" "$parts/provisioner/"
cp "$binaries/coredns" "$parts/coredns/"
cp "$binaries/pause" "$parts/pause/"

path='ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n'
base=modelmoor/kube:local
image $base kubernetes "FROM scratch\nCOPY kube /usr/bin/\nADD links.tar /\n$path"

ln -s "$binaries/kube" "$1/kubeadm"
for name in $("$1/kubeadm" config images list --kubernetes-version "$(<"$root/kind/version")") \
  $(sed -n 's/.*sandbox_image = "\(.*\)"/\1/p' "$root/etc/containerd/config.toml") modelmoor.dev/route-cni:local; do
  case "$name" in
    */kube-proxy:* | */route-cni:*) image "$name" network "FROM $base\nADD tools.tar /\n" ;;
    */coredns:*) image "$name" coredns 'FROM scratch\nCOPY coredns /\nENTRYPOINT ["/coredns"]\n' ;;
    */pause:*) image "$name" pause 'FROM scratch\nCOPY pause /\nENTRYPOINT ["/pause"]\n' ;;
    *) docker tag $base "$name" && echo "$name" >>"$images" ;;
  esac
done
image "$(metrics_server_image)" kubernetes "FROM $base\nENTRYPOINT [\"metrics-server\"]\n"
image "$(storage_constant storageProvisionerImage)" provisioner "FROM scratch\nCOPY local-path-provisioner /usr/local/bin/\n$path"
image "$(storage_constant storageHelperImage)" helper 'FROM scratch\nADD shell.tar /\nENV PATH=/bin\n'
