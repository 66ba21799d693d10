#!/usr/bin/env python3
"""Writes a C file that holds the migrations given, in order: embed.py OUT 0001_init.sql ..."""
import sys

with open(sys.argv[1], "w") as out:
    out.write('#include "store/sqlite/sqlite.h"\n\n')
    names = [f"migration_{i}" for i in range(1, len(sys.argv) - 1)]
    for name, path in zip(names, sys.argv[2:]):
        with open(path, "rb") as sql:
            numbers = ",".join(str(byte) for byte in sql.read() + b"\0")
        out.write(f"static const char {name}[] = {{{numbers}}};\n")
    out.write(f"const char *const sq_migrations[] = {{{', '.join(names)}}};\n")
    out.write(f"const int sq_migrations_n = {len(names)};\n")
