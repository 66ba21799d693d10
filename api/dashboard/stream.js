// Server-Sent Events over fetch, since EventSource cannot send a bearer token. A stream that breaks is taken up again
// after the last id that was read, so no event is missed and none comes twice.
import { Problem, request } from './api.js';

const SILENCE_MS = 60000; // the service sends a heartbeat far more often
const WAIT_MS = [250, 1000, 2000, 5000, 10000];

/** Splits a stream of text into events {id, type, data} (HTML Standard 9.2.6); comments are heartbeats. */
function eventReader(onEvent) {
  let rest = '',
    event = { id: null, type: 'message', data: [] };
  const line = (text) => {
    if (text === '') {
      if (event.data.length > 0) onEvent({ ...event, data: event.data.join('\n') });
      event = { id: null, type: 'message', data: [] };
      return;
    }
    const colon = text.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? '' : text.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') event.data.push(value);
    else if (name === 'id') event.id = value;
    else if (name === 'event') event.type = value;
  };
  return (chunk) => {
    rest += chunk;
    const lines = rest.split(/\r\n|\n|\r(?!$)/); // a CR at the end may be half of a CRLF
    rest = lines.pop();
    lines.forEach(line);
  };
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

async function readOnce(path, state, on, signal) {
  const quiet = new AbortController();
  let alarm;
  const heard = () => {
    clearTimeout(alarm);
    alarm = setTimeout(() => quiet.abort(), SILENCE_MS);
  };
  heard();
  try {
    const answer = await request('GET', path, {
      signal: AbortSignal.any([signal, quiet.signal]),
      headers: { Accept: 'text/event-stream', 'Last-Event-ID': String(state.last) },
    });
    on.state('live');
    const read = eventReader(({ id, type, data }) => {
      if (id !== null && id !== '') state.last = Number(id);
      if (type === 'reset') on.reset();
      else on.event(JSON.parse(data));
    });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      state.failures = 0;
      heard();
      read(value);
    }
  } finally {
    clearTimeout(alarm);
  }
}

/** Follows the events after `after` until signal aborts. on: {event(json), reset(), state('live' | 'waiting' |
 * 'refused')}; reset: some events are no longer kept, so what is shown must be read anew. */
export async function follow(path, after, on, signal) {
  const state = { last: after, failures: 0 };
  while (!signal.aborted) {
    try {
      await readOnce(path, state, on, signal);
    } catch (error) {
      if (error instanceof Problem && error.status < 500 && error.status !== 429) {
        on.state('refused');
        return;
      }
    }
    if (signal.aborted) return;
    on.state('waiting');
    await pause(WAIT_MS[Math.min(state.failures++, WAIT_MS.length - 1)] * (0.5 + Math.random()), signal);
  }
}
