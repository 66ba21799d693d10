# Writes the dashboard's files as C: assets.py <output> <page> <file>...
# In the page {version} becomes a hash over everything, and a line {modules} one line for each script, so that a browser
# fetches them at once and not import by import. Comments that fill their lines stay here: they are a fourteenth of it all.
import gzip
import hashlib
import os
import re
import sys

TYPES = {'.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8',
         '.js': 'text/javascript; charset=utf-8', '.svg': 'image/svg+xml'}


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def content(path):
    data = read(path)
    return data if path.endswith('.svg') else re.sub(rb'(?m)^[ \t]*//.*\n|^[ \t]*/\*[\s\S]*?\*/\n', b'', data)


def c_bytes(name, data):
    rows = [','.join(map(str, data[i:i + 32])) for i in range(0, len(data), 32)]
    return 'static const unsigned char %s[] = {\n%s};\n' % (name, ',\n'.join(rows))


def asset(i, name, data, out):
    packed = gzip.compress(data, 9, mtime=0)
    tag = hashlib.sha256(data).hexdigest()[:24]
    out.append(c_bytes('gzip_%d' % i, packed))
    return '{"%s", "%s", "\\"%s\\"", "\\"%s-gzip\\"", gzip_%d, sizeof gzip_%d, %d},\n' % (
        name, TYPES[os.path.splitext(name)[1]], tag, tag, i, i, len(data))


def main(output, page, *paths):
    files = sorted((os.path.basename(p), content(p)) for p in paths)
    html = read(page)
    version = hashlib.sha256(repr((html, files)).encode()).hexdigest()[:16]
    modules = ''.join('<link rel="modulepreload" href="/dashboard/%s/%s">\n' % (version, name)
                      for name, _ in files if name.endswith('.js'))
    html = html.replace(b'{modules}\n', modules.encode()).replace(b'{version}', version.encode())
    out = ['#define ASSETS_VERSION "%s"\n' % version]
    rows = [asset(i, name, data, out) for i, (name, data) in enumerate([('index.html', html)] + files)]
    with open(output, 'w', encoding='ascii') as f:
        f.write(''.join(out) + 'static const struct asset assets[] = {\n' + ''.join(rows) + '};\n')


main(*sys.argv[1:])
