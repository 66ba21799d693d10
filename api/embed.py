# Writes a file as C, compressed: embed.py <file> <output> <name>
import gzip
import sys

path, output, name = sys.argv[1:]
with open(path, 'rb') as source:
    data = source.read()
with open(output, 'w', encoding='ascii') as out:
    out.write('#define %s_BYTES %d\n' % (name.upper(), len(data)))
    out.write('static const unsigned char %s_gzip[] = {%s};\n' % (name, ',\n'.join(map(str, gzip.compress(data, 9, mtime=0)))))
