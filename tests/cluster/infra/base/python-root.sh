#!/usr/bin/env bash
# Stands in for python:3.11-slim where that cannot be pulled: Debian bookworm's Python 3.11, as two root file systems.
# builder.tar has venv and pip; runtime.tar is what is left without them, apt and perl: an interpreter and its libraries.
# usage: python-root.sh FOLDER     (scratch; leaves both tar files in it)
source "$(dirname "$0")/../lib.sh"
[ $# = 1 ] || usage 2
root=$1/root

bootstrap bookworm "$root" python3.11-venv,python3-distutils,libstdc++6,libgomp1,ca-certificates,netbase,tzdata
rm -f "$root/usr/lib/python3.11/EXTERNALLY-MANAGED" # pip may install, as it may in python:3.11-slim
chroot "$root" sh -c 'python3 -m zipfile -e /usr/share/python-wheels/pip-*.whl /usr/lib/python3/dist-packages'
for name in python3.11 python3 python; do ln -s /usr/bin/python3.11 "$root/usr/local/bin/$name"; done
tar -C "$root" -cf "$1/builder.tar" --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./var/cache/*' --exclude='./var/lib/apt/lists/*' .

# What a running model never needs, taken out file by file: dpkg would not part with the essential ones.
for package in python3.11-venv python3-pip-whl python3-setuptools-whl python3-distutils python3-lib2to3 perl-base apt gpgv \
  debian-archive-keyring e2fsprogs logsave login passwd mount util-linux-extra adduser; do
  chroot "$root" dpkg -L "$package" | while read -r file; do
    if [ ! -d "$root$file" ]; then rm -f "$root$file"; fi
  done
done
rm -rf "$root"/usr/lib/python3/dist-packages/pip* "$root"/var/lib/{apt,dpkg} "$root"/var/cache/* "$root"/var/log/* "$root"/usr/share/{doc,man,locale,info,lintian,perl*,keyrings,bash-completion} "$root/debootstrap"
tar -C "$root" -cf "$1/runtime.tar" .
