#!/bin/sh
# Runs while an image is built: installs the engine (or what opens encrypted models) that the only argument names
# from the list beside this file, and removes, in the same layer, what no classifier needs of it.
set -eu
engine=$1
uv pip install --no-cache --requirement "$(dirname "$0")/requirements-$engine.txt"
if [ "$engine" = openvino ]; then
  # Kept: the CPU plugin and the reader of OpenVINO's own format. Removed: plugins and kernels for Intel's GPUs and
  # NPUs, readers of other frameworks' formats, C++ headers: 85 of 180 MB.
  cd "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/openvino"
  rm -rf include cmake libs/cache.json libs/libopenvino_intel_gpu_plugin.so libs/libopenvino_intel_npu_plugin.so
  for format in gguf jax onnx paddle pytorch tensorflow tensorflow_lite; do
    rm -f libs/libopenvino_${format}_frontend.so*
  done
fi
