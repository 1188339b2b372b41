"""Marks a version need of a shared library as weak, so that it loads where the version is missing: weak_need.py library.so GLIBCXX_3.4.32"""
import struct
import sys

path, version = sys.argv[1:]
hashed = 0
for byte in version.encode():  # the System V hash of ELF's version entries
    hashed = (hashed << 4) + byte
    high = hashed & 0xF0000000
    hashed = (hashed ^ (high >> 24)) & ~high
data = bytearray(open(path, "rb").read())
strong, weak = struct.pack("<IH", hashed, 0), struct.pack("<IH", hashed, 2)
found = data.count(strong)
if found > 1:
    sys.exit(f"{path}: {found} places look like a need of {version}; nothing is changed")
if found == 1:
    at = data.index(strong)
    data[at:at + len(weak)] = weak
    open(path, "wb").write(data)
elif data.count(weak) == 0:
    sys.exit(f"{path}: no need of {version}")
