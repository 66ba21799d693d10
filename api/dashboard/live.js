// Keeps a view up to date: follows the events and has the view read again what they may have changed, never more
// often than it can, whatever the rate of events. A hidden page lets go of its stream (a browser has six connections
// to us, for all its tabs) and takes it up where it was when it is seen again.
import { Unreachable, get, path } from './api.js';
import { follow } from './stream.js';

const LEAST_MS = 400;

/** Says how the connection is: 'live', 'waiting', 'refused' or 'off'. */
function tell(state) {
  document.dispatchEvent(new CustomEvent('rollcall:stream', { detail: state }));
}

/** The id of the newest event. */
export async function lastEventId(signal) {
  return (await get(path(['events'], { after: Number.MAX_SAFE_INTEGER, limit: 1 }), signal)).lastId;
}

/** Calls refresh() when events came, the next time only after it has ended, and again after the milliseconds that it
 * gives; onEvent(event) for each. */
export function keepLive({ campaign, after, refresh, onEvent, signal }) {
  const where = campaign ? path(['campaigns', campaign, 'events']) : path(['events']);
  let last = after,
    isDue = false,
    isRunning = false,
    hidden = null;
  const due = () => {
    isDue = true;
    run();
  };

  async function run() {
    if (isRunning) return;
    isRunning = true;
    while (isDue && !signal.aborted) {
      isDue = false;
      const begun = performance.now();
      try {
        const again = await refresh();
        if (again > 0) setTimeout(due, again);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Unreachable)) {
          document.dispatchEvent(new CustomEvent('rollcall:trouble', { detail: error }));
          return;
        }
        isDue = true; // once more, after a rest
      }
      const took = performance.now() - begun;
      await new Promise((resolve) => setTimeout(resolve, Math.max(LEAST_MS, 3 * took)));
    }
    isRunning = false;
  }
  const on = {
    event(event) {
      last = event.id;
      onEvent?.(event);
      due();
    },
    reset: due,
    state: tell,
  };
  function start() {
    hidden = new AbortController();
    follow(where, last, on, AbortSignal.any([signal, hidden.signal]));
  }
  function onVisibility() {
    if (document.hidden) {
      hidden?.abort();
      hidden = null;
      tell('off');
    } else if (hidden === null) {
      start();
    }
  }
  document.addEventListener('visibilitychange', onVisibility, { signal });
  signal.addEventListener('abort', () => tell('off'), { once: true });
  onVisibility();
}
