// Numbers, times and spans as people read them.
import { h } from './dom.js';

let offsetMs = 0;

/** Takes the service's own clock from an answer's Date header, so that ages and countdowns are right on a machine
 * whose clock is not. */
export function learnClock(date) {
  const at = Date.parse(date ?? '');
  if (Number.isFinite(at) && Math.abs(at - Date.now() - offsetMs) > 1500) offsetMs = at - Date.now();
}
export const now = () => Date.now() + offsetMs;

const whole = new Intl.NumberFormat('en-GB');
export const number = (n) => whole.format(n);
export const plural = (n, one, many = one + 's') => `${number(n)} ${n === 1 ? one : many}`;
export const devices = (n) => plural(n, 'device');
export const percent = (part, all) => {
  if (all === 0) return '–';
  const tenths = Math.floor((part * 1000) / all) / 10; // rounded down: 100 % means all
  return `${tenths % 1 === 0 ? tenths : tenths.toFixed(1)} %`;
};

/** "45 s", "14 min", "2 h 5 min", "3 d 4 h". */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const pair = (n, unit, rest, restUnit) => (rest > 0 ? `${n} ${unit} ${rest} ${restUnit}` : `${n} ${unit}`);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 600) return pair(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return pair(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
  return pair(Math.floor(minutes / 1440), 'd', Math.floor((minutes % 1440) / 60), 'h');
}

/** The same of what took no time to speak of: "140 ms". */
export const took = (ms) => (ms < 1000 ? `${ms} ms` : span(ms));

const clockOf = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const clockSecondsOf = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayOf = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const yearOf = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

/** The clock alone today, with the day on other days. */
export function moment(at, withSeconds = false) {
  const date = new Date(at),
    today = new Date(now());
  const clock = (withSeconds ? clockSecondsOf : clockOf).format(date);
  if (date.toDateString() === today.toDateString()) return clock;
  return `${(date.getFullYear() === today.getFullYear() ? dayOf : yearOf).format(date)}, ${clock}`;
}

const ticking = {
  ago: (at) => (now() - at < 5000 ? 'just now' : `${span(now() - at)} ago`),
  since: (at) => span(now() - at),
  until: (at) => (at > now() ? `in ${span(at - now())}` : 'now'),
};

function timeElement(at, text, tick) {
  return h(
    'time',
    { datetime: new Date(at).toISOString(), title: new Date(at).toISOString(), 'data-tick': tick },
    text,
  );
}
/** An instant, with UTC where the pointer rests. */
export const time = (at, withSeconds = false) =>
  at ? timeElement(Date.parse(at), moment(Date.parse(at), withSeconds)) : '–';
/** Spans that go on: "3 min ago", "3 min", "in 3 min". */
const ticker = (tick) => (at) => (at ? timeElement(Date.parse(at), ticking[tick](Date.parse(at)), tick) : '–');
export const ago = ticker('ago'),
  since = ticker('since'),
  until = ticker('until');
/** "14:32 (in 4 min)" */
export const timeUntil = (at) => [time(at), ' (', until(at), ')'];

/** Keeps all spans on the page going. */
export function startTicking() {
  setInterval(() => {
    for (const element of document.querySelectorAll('time[data-tick]')) {
      const text = ticking[element.dataset.tick](Date.parse(element.dateTime));
      if (element.textContent !== text) element.textContent = text;
    }
  }, 1000);
}

/** A list as in a sentence: "a, b and c". */
export function listed(items, and = ' and ') {
  return items.flatMap((item, i) => (i === 0 ? [item] : [i === items.length - 1 ? and : ', ', item]));
}
