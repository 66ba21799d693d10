// The HTTP API: requests with the token, answers as JSON, problems as errors.
import { learnClock } from './format.js';
import { token } from './session.js';

/** A problem document (RFC 9457). faults: [{pointer | parameter, detail}]. */
export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? body?.title ?? `the service answered ${status}`);
    this.status = status;
    this.code = body?.code ?? '';
    this.title = body?.title ?? '';
    this.faults = body?.errors ?? [];
  }
}

/** The service did not answer at all. */
export class Unreachable extends Error {}

/** fetch() with the token; throws Problem or Unreachable. */
export async function request(method, path, { headers = {}, body, signal } = {}) {
  const secret = token();
  let answer;
  try {
    answer = await fetch(path, {
      method,
      body,
      signal,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      headers: secret ? { Authorization: `Bearer ${secret}`, ...headers } : headers,
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Unreachable('The service does not answer.');
  }
  learnClock(answer.headers.get('Date'));
  if (answer.ok) return answer;
  if (answer.status === 401) document.dispatchEvent(new CustomEvent('rollcall:unauthenticated'));
  throw new Problem(answer.status, await answer.json().catch(() => null));
}

async function json(method, path, options) {
  const answer = await request(method, path, options);
  return answer.status === 204 ? null : answer.json();
}

export const get = (path, signal) => json('GET', path, { signal, headers: { Accept: 'application/json' } });

/** An order. key: an Idempotency-Key, where sending it twice must not do it twice. */
export function send(method, path, content, { key, ifMatch } = {}) {
  const headers = { Accept: 'application/json' };
  if (content !== undefined) headers['Content-Type'] = 'application/json';
  if (key) headers['Idempotency-Key'] = key;
  if (ifMatch) headers['If-Match'] = ifMatch;
  return json(method, path, { headers, body: content === undefined ? undefined : JSON.stringify(content) });
}

/** A path with its parts and parameters escaped; parameters that are null are left out. */
export function path(parts, params = {}) {
  const query = new URLSearchParams(Object.entries(params).filter(([, v]) => v !== null && v !== undefined));
  const text = `/v1/${parts.map((p) => encodeURIComponent(p)).join('/')}`;
  return query.size > 0 ? `${text}?${query}` : text;
}
export const campaignPath = (id, ...parts) => path(['campaigns', id, ...parts]);
