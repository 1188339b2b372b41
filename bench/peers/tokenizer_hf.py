"""Encoding and decoding in Hugging Face tokenizers on one core, the peer of TokenizerBenchmark: the same texts, one after the other.

    pip install tokenizers
    python3 tokenizer_hf.py ../../src/PeftCore.Cli/Demo/base-llama [DIR …]
"""
import json
import os
import statistics
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
try:
    from tokenizers import Tokenizer
except ImportError:
    print("tokenizer_hf.py needs Hugging Face tokenizers: pip install tokenizers", file=sys.stderr)
    sys.exit(2)

data = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "PeftCore.Cli", "Demo", "data", "train.jsonl")
texts = [value for line in open(data, encoding="utf-8") for value in json.loads(line).values() if isinstance(value, str)]
size = sum(len(text.encode()) for text in texts)


def rate(run):
    times = []
    for _ in range(8):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return size / statistics.median(times[3:]) / 1e6


for directory in sys.argv[1:]:
    tokenizer = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
    ids = [tokenizer.encode(text).ids for text in texts]
    encode = rate(lambda: [tokenizer.encode(text) for text in texts])
    decode = rate(lambda: [tokenizer.decode(row) for row in ids])
    print(f"{directory}: encode {encode:.1f} MB/s, decode {decode:.1f} MB/s", flush=True)
