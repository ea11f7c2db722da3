#!/bin/sh
# Takes out of a folder of installed libraries what no running model needs, and compiles the rest once for every pod.
# usage: slim.sh FOLDER
set -eu
cd "$1"
# tests, headers, sources of extensions, type stubs (a folder `test` is public API: tensorflow.test)
find . -depth -type d \( -name tests -o -name __pycache__ -o -name include \) -exec rm -rf {} +
find . -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi' -o -name '*.c' -o -name '*.cc' -o -name '*.h' -o -name '*.hpp' -o -name '*.a' -o -name '*.map' \) -delete
# TensorFlow's wishes for building add-ons and for colours; it imports `requests` and its profiler
rm -rf bin clang libclang-* wheel wheel-* setuptools setuptools-* _distutils_hack pkg_resources distutils-precedence.pth
rm -rf pygments pygments-*
# ONNX Runtime's tools for making models
rm -rf onnxruntime/transformers onnxruntime/quantization onnxruntime/tools onnxruntime/datasets onnxruntime/backend
python3 -m compileall -q -j 0 .
