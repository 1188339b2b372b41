"""Writes random templates with what Jinja2 makes of them, as gzipped lines of JSON.

    python3 generate.py --seed 1 --count 2000 --grammar any --out cases.jsonl.gz

Each line has "template", "context", and "output" or "error". The same seed gives the same cases.
"""

import argparse
import gzip
import json
import random
import warnings

import chats
import reference
import statements

warnings.simplefilter("ignore")


def cases(seed, count, grammar):
    made, number = 0, 0
    while made < count:
        rng = random.Random(f"{grammar}-{seed}-{number}")
        number += 1
        template, context = (chats.Chats(rng) if grammar == "chat" else statements.Statements(rng)).template()
        output, error = reference.render(template, context)
        if output is not None and (len(output) > 2000 or not reference.is_stable(output)):
            continue
        try:
            json.dumps(output, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            continue
        made += 1
        yield {"template": template, "context": context, **({"output": output} if error is None else {"error": error})}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--grammar", choices=["any", "chat"], default="any")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    failed = 0
    with open(options.out, "wb") as file, gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
        for case in cases(options.seed, options.count, options.grammar):
            failed += "error" in case
            packed.write((json.dumps(case, ensure_ascii=False, separators=(",", ":")) + "\n").encode())
    print(f"{options.count} cases, {options.count - failed} rendered, {failed} refused by Jinja2")


if __name__ == "__main__":
    main()
