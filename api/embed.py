# Writes a file's bytes as the inside of a C array: embed.py <file> <output>
import sys

with open(sys.argv[1], 'rb') as source, open(sys.argv[2], 'w') as output:
    for byte in source.read():
        output.write('%d,\n' % byte)
