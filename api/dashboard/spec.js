// A campaign spec as the form sees it: members by JSON pointer (RFC 6901). Members that the form does not know stay
// as they are.

/** What a new campaign starts from: canaries first, and an end to it where too many fail. */
export const fresh = () => ({
  name: '',
  action: { type: 'reboot' },
  targets: { where: '' },
  rollout: {
    waves: [{ name: 'canary', upToPercent: 1 }, { upToPercent: 10 }, { upToPercent: 100 }],
    gate: { minSuccessPercent: 95, soakSeconds: 600, approval: 'none' },
    maxUnavailable: '10%',
  },
  abort: [{ cause: 'any', percent: 5, minFinished: 20, do: 'pause' }],
});

const tokens = (pointer) =>
  pointer
    .split('/')
    .slice(1)
    .map((t) => t.replaceAll('~1', '/').replaceAll('~0', '~'));

export function valueAt(spec, pointer) {
  return tokens(pointer).reduce((at, name) => (at !== null && typeof at === 'object' ? at[name] : undefined), spec);
}

/** Sets a member, making what it is in; undefined takes it away, and with it what is empty then. */
export function setAt(spec, pointer, value) {
  const names = tokens(pointer),
    last = names.pop(),
    way = [];
  let at = spec;
  for (const [i, name] of names.entries()) {
    way.push([at, name]);
    if (at[name] === null || typeof at[name] !== 'object') {
      if (value === undefined) return;
      at[name] = /^\d+$/.test(names[i + 1] ?? last) ? [] : {};
    }
    at = at[name];
  }
  if (value !== undefined) {
    at[last] = value;
    return;
  }
  if (Array.isArray(at)) at.splice(Number(last), 1);
  else delete at[last];
  for (const [parent, name] of way.reverse()) {
    if (Object.keys(parent[name]).length > 0) break;
    if (Array.isArray(parent)) parent.splice(Number(name), 1);
    else delete parent[name];
  }
}

/** How a value is written in a field, and read back; read() throws where the text is not sound. */
export const kinds = {
  text: { show: (v) => v ?? '', read: (t) => t.trim() || undefined },
  number: { show: (v) => v ?? '', read: (t) => (t.trim() === '' ? undefined : numberOr(t)) },
  limit: { show: (v) => v ?? '', read: (t) => (t.trim() === '' ? undefined : numberOr(t.replaceAll(' ', ''))) },
  minutes: {
    show: (v) => (v === undefined ? '' : v / 60),
    read: (t) => (t.trim() === '' ? undefined : Math.round(Number(t.replace(',', '.')) * 60)),
  },
  hours: {
    show: (v) => (v === undefined ? '' : v / 3600),
    read: (t) => (t.trim() === '' ? undefined : Math.round(Number(t.replace(',', '.')) * 3600)),
  },
  lines: {
    show: (v) => (v ?? []).join('\n'),
    read: (t) => {
      const all = t.split(/[\s,;]+/).filter(Boolean);
      return all.length > 0 ? all : undefined;
    },
  },
  json: {
    show: (v) => (v === undefined ? '' : JSON.stringify(v, null, 1)),
    read: (t) => (t.trim() === '' ? undefined : JSON.parse(t)),
  },
  instant: { show: showInstant, read: (t) => (t === '' ? undefined : new Date(t).toISOString()) },
};

/** What is no number stays as it was typed: the service says what is wrong with it. */
function numberOr(text) {
  const n = Number(text);
  return Number.isFinite(n) ? n : text;
}

function showInstant(at) {
  const date = new Date(at ?? NaN);
  if (Number.isNaN(date.getTime())) return '';
  return new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}
