#!/usr/bin/env bash
# Builds TorchSharpPeer where needed and runs it as fast as it goes: tuned.sh config.json --batch 4 --length 128 ...; PEER_AS_SHIPPED=1 leaves MKL and malloc as they are.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$here/bin/Release/net10.0/linux-x64
if [ ! -e "$out/intel_cpu.so" ] || [ -n "$(find "$here" -maxdepth 1 -name '*.cs' -newer "$out/TorchSharpPeer.dll")" ]; then
  dotnet build "$here" -c Release -v q -nologo >&2
  # Debian 12 has no GLIBCXX_3.4.32, which nothing in the library uses.
  python3 "$here/weak_need.py" "$out/libLibTorchSharp.so" GLIBCXX_3.4.32
  cc -shared -fPIC -O2 -o "$out/intel_cpu.so" "$here/intel_cpu.c"
fi
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} MKL_NUM_THREADS=${MKL_NUM_THREADS:-2}
if [ -z "${PEER_AS_SHIPPED:-}" ]; then
  export LD_PRELOAD=$out/intel_cpu.so
  export GLIBC_TUNABLES=glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592:glibc.malloc.top_pad=67108864
fi
exec "$out/TorchSharpPeer" "$@"
