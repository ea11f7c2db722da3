#!/usr/bin/env bash
# The root file system of a node: Debian bookworm with kind's files and our binaries over it, as a tar file.
# Bookworm and not trixie: its systemd (252) still runs on cgroup v1.
# usage: root.sh FOLDER    (scratch; leaves FOLDER/root, which component-images.sh takes parts from, and FOLDER/root.tar)
source "$(dirname "$0")/../lib.sh"
source "$infra/go.sh"
source "$infra/node/facts.sh"
[ $# = 1 ] || usage 2
root=$1/root

packages=systemd,dbus,conntrack,iptables,nftables,iproute2,ethtool,util-linux,mount,kmod,libseccomp2,pigz,e2fsprogs,bash,busybox-static,ca-certificates,curl,jq,procps,runc
bootstrap bookworm "$root" "$packages"

# what kind's own Dockerfile does
files=$(kind_source)/images/base/files
cp -r --no-preserve=mode,ownership "$files"/etc/. "$root/etc/"
cp -r --no-preserve=mode,ownership "$files"/kind/. "$root/kind/"
install -D -m 755 -t "$root/usr/local/bin" "$files"/usr/local/bin/*
chmod 755 "$root"/kind "$root"/kind/bin "$root"/kind/bin/*
(
  cd "$root" || exit
  rm -f lib/systemd/system/{multi-user,local-fs,basic}.target.wants/* etc/systemd/system/*.wants/* \
    lib/systemd/system/sockets.target.wants/*{udev,initctl}* lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service
  echo ReadKMsg=no >>etc/systemd/journald.conf
  ln -sf /usr/lib/systemd/systemd sbin/init
)

# our binaries, at the places where kind looks for the real ones
kubernetes=$(module_folder kubernetes) containerd=$(module_folder containerd)
install -D -m 755 -t "$root/usr/local/bin" "$containerd"/{containerd,ctr,containerd-shim-runc-v2}
install -D -m 755 -t "$root/opt/cni/bin" "$kubernetes"/{host-local,loopback,ptp,portmap}
install -m 755 "$kubernetes/kube" "$root/usr/bin/kube"
for name in kubeadm kubelet kubectl; do ln -sf kube "$root/usr/bin/$name"; done
version_of kubernetes k8s.io/kubernetes | tr -d '\n' >"$root/kind/version"

# a machine may withhold CAP_SYS_RESOURCE: nothing here may ask for more than it was given
sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' "$root/etc/containerd/config.toml"
mkdir -p "$root"/etc/{kubernetes/manifests,cni/net.d,systemd/system/containerd.service.d}
printf '[Service]\nLimitNPROC=\nLimitCORE=\nLimitNOFILE=\nOOMScoreAdjust=0\n' >"$root/etc/systemd/system/containerd.service.d/10-fewer-rights.conf"

chroot "$root" /bin/sh -ec '
  systemctl enable kubelet containerd undo-mount-hacks
  systemctl mask systemd-binfmt
  ctr oci spec | jq ".hooks.createContainer[.hooks.createContainer | length] |= . + {path: \"/kind/bin/mount-product-files.sh\"} | del(.process.rlimits)" >/etc/containerd/cri-base.json'
tar -C "$root" -cf "$1/root.tar" --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' --exclude='./var/lib/apt/lists/*' .
