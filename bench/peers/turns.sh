#!/usr/bin/env bash
# Times `peftcore bench step` and TorchSharp (tuned) in turns: turns.sh PEFTCORE bert-base|t5-base|vit-base BATCH STEPS TURNS [WARMUP]; prints both and the ratio.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$1 model=$2 batch=$3 steps=$4 turns=$5 warmup=${6:-2}
if [ "$model" = t5-base ]; then
  ours="--target-modules q,v --max-seq-length 512 --max-target-length 128" peers="--length 512 --target-length 128"
elif [ "$model" = vit-base ]; then
  ours="--target-modules q_proj,v_proj --modules-to-save classifier" peers=
else
  ours="--target-modules query,value --max-seq-length 128" peers="--length 128"
fi
for _ in $(seq "$turns"); do
  "$program" bench step --config "$here/$model.json" --lora-r 8 $ours --batch-size "$batch" --threads 2 --steps "$steps" --warmup "$warmup" 2>/dev/null | sed 's/^/ours /'
  "$here/TorchSharpPeer/tuned.sh" "$here/$model.json" $peers --batch "$batch" --rank 8 --threads 2 --steps "$steps" --warmup "$warmup" | sed 's/^/peer /'
done | python3 -c '
import re, statistics, sys
times = {"ours": [], "peer": []}
for line in sys.stdin:
    found = re.search(r"^(ours|peer) .*?([\d.]+) ms a step \(best ([\d.]+)\)", line)
    if found:
        times[found[1]].append((float(found[2]), float(found[3])))
    print(line, end="")
ours, peer = times["ours"], times["peer"]
ratios = sorted(p[0] / o[0] for o, p in zip(ours, peer))
print(f"medians: ours {statistics.median(o[0] for o in ours):.1f} ms, peer {statistics.median(p[0] for p in peer):.1f} ms; "
      f"ratio of each turn {ratios[0]:.2f} to {ratios[-1]:.2f}, median {statistics.median(ratios):.2f}; "
      f"best steps {min(o[1] for o in ours):.1f} and {min(p[1] for p in peer):.1f} ms, ratio {min(p[1] for p in peer) / min(o[1] for o in ours):.2f}")
'
