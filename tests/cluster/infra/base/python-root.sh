#!/usr/bin/env bash
# Stands in for python:3.11-slim and python:3.11 where those cannot be pulled: Debian bookworm's Python 3.11, as two root
# file systems. builder.tar has venv, pip, a C compiler, Python's headers and libnghttp2; runtime.tar is an interpreter and its
# libraries: what is left without those, apt and perl.
# usage: python-root.sh FOLDER     (scratch; leaves both tar files in it)
source "$(dirname "$0")/../lib.sh"
[ $# = 1 ] || usage 2

make_root() { # make_root FOLDER [,PACKAGE...]: where python:3.11 has python3, and pip may install as it may there
  bootstrap bookworm "$1" "python3.11-venv,python3-distutils,libstdc++6,libgomp1,ca-certificates,netbase,tzdata${2:-}"
  rm -f "$1/usr/lib/python3.11/EXTERNALLY-MANAGED"
  for name in python3.11 python3 python; do ln -s /usr/bin/python3.11 "$1/usr/local/bin/$name"; done
}

make_root "$1/builder" ,gcc,libc6-dev,libpython3.11-dev,libnghttp2-14
chroot "$1/builder" sh -c 'python3 -m zipfile -e /usr/share/python-wheels/pip-*.whl /usr/lib/python3/dist-packages'
tar -C "$1/builder" -cf "$1/builder.tar" --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./var/cache/*' --exclude='./var/lib/apt/lists/*' .

root=$1/root
make_root "$root"
# What a running model never needs, taken out file by file: dpkg would not part with the essential ones.
for package in python3.11-venv python3-pip-whl python3-setuptools-whl python3-distutils python3-lib2to3 perl-base apt gpgv \
  debian-archive-keyring e2fsprogs logsave login passwd mount util-linux-extra adduser; do
  chroot "$root" dpkg -L "$package" | while read -r file; do
    if [ ! -d "$root$file" ]; then rm -f "$root$file"; fi
  done
done
rm -rf "$root"/var/lib/{apt,dpkg} "$root"/var/cache/* "$root"/var/log/* "$root"/usr/share/{doc,man,locale,info,lintian,perl*,keyrings,bash-completion} "$root/debootstrap"
tar -C "$root" -cf "$1/runtime.tar" .
