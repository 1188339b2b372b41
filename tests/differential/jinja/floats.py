"""Writes doubles with Python's own repr, one a line: the bits in hexadecimal and the text. python3 floats.py > floats.txt"""

import random
import struct

rng = random.Random(1)
special = [0.0, -0.0, 1e-6, 1e-7, 1e-11, 1e-12, 1e-16, 1e-19, 1e-4, 9.999999999999999e-05, 0.0001, 1e15, 1e16, 9999999999999998.0, 1e17, 1e22, 1e23, 5e-324,
           2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 0.2, 0.1 + 0.2, 1 / 3, 2 / 3, 123456789012345680.0, 2.0**53, 2.0**63, 2.0**-1022, 9007199254740993.0,
           float("inf"), float("-inf"), float("nan"), 1.5, 100.0, 1e100, 1.0, -1e-5, 4.35, 2.675]
special += [10.0**n for n in range(-30, 31)] + [float(f"{d}e{n}") for n in range(-25, 25, 7) for d in (1.5, 9.99, 1.2345678901234567)]
drawn = [struct.unpack("<d", struct.pack("<Q", rng.getrandbits(64)))[0] for _ in range(600)] + [round(rng.uniform(-1e6, 1e6), rng.randint(0, 8)) for _ in range(200)]
for value in special + drawn:
    print(f"{struct.unpack('<Q', struct.pack('<d', value))[0]:016x} {value!r}")
