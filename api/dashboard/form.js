// The form for a campaign spec: fields that belong to places in the spec, and faults shown at their fields.
import { h } from './dom.js';
import { kinds, setAt, valueAt } from './spec.js';

const TARGETS = [
  ['where', 'those for which a condition holds'],
  ['deviceIds', 'those named here'],
  ['list', 'those of a device list'],
  ['all', 'every device of the hubs'],
];
const APPROVALS = [
  ['none', 'by nobody'],
  ['start', 'before the first wave'],
  ['afterFirst', 'after the first wave'],
  ['each', 'after every wave'],
];

const OVERLAPS = [
  ['skip', 'is skipped'],
  ['queue', 'waits for it'],
  ['allow', 'starts beside it'],
];

/** Makes the form over state.spec, a campaign's or, with isSchedule, a schedule's that has the campaign's in it;
 * onChange() after each change. Gives {element, sync(), showFaults(faults)}. */
export function specForm(state, onChange, isSchedule) {
  const base = isSchedule ? '/campaign' : '';
  const spec = () => (isSchedule ? (state.spec.campaign ??= {}) : state.spec);
  const fields = []; // {pointer, input, kind, note}
  let nextId = 0;

  function changed() {
    onChange();
    sync();
  }

  function field(at, label, { kind = 'text', hint, when, options, wide, rows, isOuter, ...attributes } = {}) {
    const pointer = isOuter ? at : base + at;
    const id = `f${nextId++}`,
      note = h('p', { class: 'fault', id: `${id}-fault` });
    const input = h(
      options ? 'select' : rows ? 'textarea' : 'input',
      {
        id,
        rows,
        'aria-describedby': `${id}-fault${hint ? ` ${id}-hint` : ''}`,
        autocomplete: 'off',
        spellcheck: 'false',
        ...attributes,
        on: {
          [options ? 'change' : 'input']: () => {
            try {
              setAt(state.spec, pointer, kinds[kind].read(input.value));
              input.removeAttribute('aria-invalid');
              note.textContent = '';
            } catch (error) {
              input.setAttribute('aria-invalid', 'true');
              note.textContent = `Not sound yet: ${error.message}`;
              return;
            }
            changed();
          },
        },
      },
      options?.map(([value, text]) => h('option', { value }, text)),
    );
    const element = h(
      'div',
      { class: wide ? 'field wide-field' : 'field' },
      h('label', { for: id }, label),
      input,
      hint && h('p', { class: 'note', id: `${id}-hint` }, hint),
      note,
    );
    const made = { pointer, input, kind, note, element, when };
    fields.push(made);
    return element;
  }

  const kindOfTargets = () => TARGETS.find(([kind]) => kind in (spec().targets ?? {}))?.[0] ?? 'where';
  const chooser = TARGETS.map(([kind, text]) =>
    h(
      'p',
      { class: 'check' },
      h('input', {
        type: 'radio',
        name: 'targets',
        id: `targets-${kind}`,
        value: kind,
        on: {
          change: () => {
            const { exclude, order, seed } = spec().targets ?? {};
            spec().targets = {
              [kind]: { where: '', deviceIds: [], list: '', all: true }[kind],
              ...(exclude && { exclude }),
              ...(order && { order }),
              ...(seed !== undefined && { seed }),
            };
            changed();
          },
        },
      }),
      h('label', { for: `targets-${kind}` }, text),
    ),
  );

  /* waves, whose number changes */
  const waveBox = h('div', { class: 'waves-form' });
  let wavesShown = -1,
    waveFields = [];
  function drawWaves() {
    const waves = spec().rollout?.waves ?? [];
    fields.splice(0, fields.length, ...fields.filter((f) => !waveFields.includes(f)));
    const before = fields.length;
    waveBox.replaceChildren(
      ...waves.map((wave, i) => {
        const at = `/rollout/waves/${i}`,
          isCount = 'upToCount' in wave;
        return h(
          'div',
          { class: 'wave-row' },
          field(`${at}/name`, `Wave ${i + 1}`, { placeholder: 'name', 'aria-label': `Name of wave ${i + 1}` }),
          field(isCount ? `${at}/upToCount` : `${at}/upToPercent`, 'up to', {
            kind: 'number',
            inputmode: 'numeric',
            'aria-label': `Wave ${i + 1} goes up to`,
          }),
          h(
            'div',
            { class: 'field' },
            h('label', { for: `unit-${i}` }, 'of all'),
            h(
              'select',
              {
                id: `unit-${i}`,
                'aria-label': `Unit of wave ${i + 1}`,
                on: {
                  change: (e) => {
                    const n = wave.upToPercent ?? wave.upToCount;
                    delete wave.upToPercent;
                    delete wave.upToCount;
                    wave[e.target.value] = n;
                    wavesShown = -1;
                    changed();
                  },
                },
              },
              h('option', { value: 'upToPercent', selected: !isCount }, 'percent'),
              h('option', { value: 'upToCount', selected: isCount }, 'devices'),
            ),
          ),
          h(
            'button',
            {
              type: 'button',
              class: 'quiet',
              'aria-label': `Remove wave ${i + 1}`,
              on: {
                click: () => {
                  setAt(spec(), at, undefined);
                  wavesShown = -1;
                  changed();
                },
              },
            },
            'Remove',
          ),
        );
      }),
    );
    waveFields = fields.slice(before);
    wavesShown = waves.length;
  }
  function addWave() {
    const waves = spec().rollout?.waves ?? [];
    const last = waves.at(-1);
    if (last)
      waves.splice(waves.length - 1, 0, {
        upToPercent: Math.ceil(((waves.at(-2)?.upToPercent ?? 0) + (last.upToPercent ?? 100)) / 2),
      });
    else setAt(spec(), '/rollout/waves', [{ name: 'canary', upToPercent: 1 }, { upToPercent: 100 }]);
    wavesShown = -1;
    changed();
  }

  const is =
    (...types) =>
    () =>
      types.includes(spec().action?.type);
  const part = (title, ...children) => h('fieldset', { class: 'part' }, h('legend', {}, title), children);
  const row = (...children) => h('div', { class: 'field-row' }, children);
  const recurrence =
    isSchedule &&
    part(
      'How often',
      row(
        field('/name', 'Name of the schedule', { isOuter: true, maxlength: 200, wide: true }),
        field('/recurrence/timeZone', 'Time zone', { isOuter: true, hint: 'As Europe/Stockholm.' }),
      ),
      row(
        field('/recurrence/cron', 'Cron', {
          isOuter: true,
          placeholder: '0 2 * * 1',
          hint: 'Five fields; or else a rule.',
          when: () => !valueAt(state.spec, '/recurrence/rrule'),
        }),
        field('/recurrence/rrule', 'Rule of RFC 5545', {
          isOuter: true,
          placeholder: 'FREQ=WEEKLY;BYDAY=SU',
          when: () => !valueAt(state.spec, '/recurrence/cron'),
        }),
      ),
      row(
        field('/recurrence/from', 'From', { isOuter: true, kind: 'instant', type: 'datetime-local' }),
        field('/recurrence/until', 'Until', { isOuter: true, kind: 'instant', type: 'datetime-local' }),
      ),
      row(
        field('/overlap', 'While the last one runs, the next', { isOuter: true, options: OVERLAPS }),
        field('/catchUpSeconds', 'If missed, start up to … minutes late', {
          isOuter: true,
          kind: 'minutes',
          inputmode: 'decimal',
          placeholder: '60',
        }),
      ),
    );
  const element = h(
    'div',
    { class: 'spec-form' },
    recurrence,
    part(
      'What',
      row(
        field('/name', 'Name', { hint: 'As people will look for it.', maxlength: 200, wide: true }),
        field('/action/type', 'Action', {
          options: [
            ['reboot', 'Reboot'],
            ['firmwareUpdate', 'Firmware update'],
            ['factoryReset', 'Factory reset'],
            ['method', 'Any method'],
          ],
        }),
        field('/action/methodName', 'Method name', { when: is('method') }),
      ),
      field('/action/payload', 'Payload, as JSON', {
        kind: 'json',
        rows: 3,
        when: is('method', 'firmwareUpdate', 'factoryReset'),
      }),
    ),
    part(
      'Which devices',
      h('div', { class: 'choices', role: 'radiogroup', 'aria-label': 'Which devices' }, chooser),
      field('/targets/where', 'Condition, in the hub’s query language', {
        hint: "As tags.site = 'gbg-3'",
        when: () => kindOfTargets() === 'where',
        wide: true,
      }),
      field('/targets/deviceIds', 'Device ids', {
        kind: 'lines',
        rows: 4,
        hint: 'One a line.',
        when: () => kindOfTargets() === 'deviceIds',
        wide: true,
      }),
      field('/targets/list', 'Name of the device list', { when: () => kindOfTargets() === 'list' }),
      field('/targets/exclude', 'But not', {
        kind: 'lines',
        rows: 2,
        hint: 'Device ids to leave out, one a line.',
        wide: true,
      }),
    ),
    part(
      'How many at a time',
      waveBox,
      h('p', {}, h('button', { type: 'button', on: { click: addWave } }, 'Add a wave')),
      row(
        field('/rollout/gate/minSuccessPercent', 'Gate: proven, in %', {
          kind: 'number',
          inputmode: 'numeric',
          hint: 'Of a wave, before the next opens.',
        }),
        field('/rollout/gate/soakSeconds', 'Gate: soak, in minutes', {
          kind: 'minutes',
          inputmode: 'decimal',
          hint: 'After its last proof.',
        }),
        field('/rollout/gate/approval', 'Gate: approval', { options: APPROVALS }),
      ),
      row(
        field('/rollout/maxUnavailable', 'Down at once, at most', {
          kind: 'limit',
          hint: 'A number, or a share as 10%.',
        }),
        field('/rollout/ratePerMinute', 'Calls a minute, at most', {
          kind: 'number',
          inputmode: 'numeric',
          hint: 'Empty: as the hub allows.',
        }),
      ),
      row(
        field('/rollout/group/by', 'Groups by a tag', { hint: 'As tags.site', placeholder: 'none' }),
        field('/rollout/group/maxUnavailable', 'Down at once in a group', {
          kind: 'limit',
          when: () => Boolean(spec().rollout?.group),
        }),
      ),
    ),
    part(
      'When things go wrong',
      row(
        field('/abort/0/percent', 'Stop when so many % fail', { kind: 'number', inputmode: 'numeric' }),
        field('/abort/0/minFinished', 'But not before so many ended', {
          kind: 'number',
          inputmode: 'numeric',
          when: () => Boolean(spec().abort?.[0]),
        }),
        field('/abort/0/do', 'Then', {
          options: [
            ['pause', 'pause'],
            ['cancel', 'cancel'],
          ],
          when: () => Boolean(spec().abort?.[0]),
        }),
      ),
      row(
        field('/retry/maxAttempts', 'Attempts for each device', {
          kind: 'number',
          inputmode: 'numeric',
          placeholder: '1',
        }),
        field('/offline/expireAfterSeconds', 'Wait for offline devices, in hours', {
          kind: 'hours',
          inputmode: 'decimal',
          placeholder: '24',
        }),
      ),
    ),
    part(
      'When',
      row(
        !isSchedule &&
          field('/schedule/startAt', 'Start', {
            kind: 'instant',
            type: 'datetime-local',
            hint: 'Empty: now. In this browser’s time.',
          }),
        isSchedule
          ? field('/schedule/endAfterSeconds', 'Ends after, in hours', {
              kind: 'hours',
              inputmode: 'decimal',
              placeholder: '720',
            })
          : field('/schedule/endAt', 'End', {
              kind: 'instant',
              type: 'datetime-local',
              hint: 'Empty: 30 days after the start.',
            }),
      ),
      row(
        field('/schedule/windows/0/cron', 'Calls only in a window that opens', {
          placeholder: '0 2 * * 1-5',
          hint: 'Five fields of cron; empty: at any time.',
        }),
        field('/schedule/windows/0/durationMinutes', 'and stays open, in minutes', {
          kind: 'number',
          inputmode: 'numeric',
          when: () => Boolean(spec().schedule?.windows?.[0]),
        }),
        field('/schedule/timeZone', 'Time zone', {
          placeholder: 'UTC',
          hint: 'As Europe/Stockholm, or device.',
          when: () => Boolean(spec().schedule?.windows?.[0]),
        }),
      ),
    ),
    part(
      'Proof',
      row(
        field('/verify/timeoutSeconds', 'Proof must come within, in minutes', {
          kind: 'minutes',
          inputmode: 'decimal',
          placeholder: 'as the action needs',
        }),
        field('/verify/settleSeconds', 'A proven device settles, in seconds', {
          kind: 'number',
          inputmode: 'numeric',
          placeholder: 'as the action needs',
        }),
      ),
      field('/precheck/where', 'Call only while this holds', {
        hint: 'As properties.reported.battery > 50; read from the twin before each call.',
        wide: true,
      }),
    ),
  );

  function sync() {
    if ((spec().rollout?.waves ?? []).length !== wavesShown) drawWaves();
    for (const f of fields) {
      if (f.when) f.element.hidden = !f.when();
      if (f.input !== document.activeElement && f.input.getAttribute('aria-invalid') !== 'true')
        f.input.value = kinds[f.kind].show(valueAt(state.spec, f.pointer));
    }
    for (const radio of element.querySelectorAll('[name=targets]')) radio.checked = radio.value === kindOfTargets();
  }

  /** Gives the faults that belong to no field that is shown. */
  function showFaults(faults) {
    for (const f of fields) {
      f.input.removeAttribute('aria-invalid');
      f.note.textContent = '';
    }
    const shown = fields.filter((f) => !f.element.hidden);
    return faults.map((fault) => {
      const at = fault.pointer ?? '';
      const of =
        shown
          .filter((f) => at === f.pointer || at.startsWith(`${f.pointer}/`))
          .sort((a, b) => b.pointer.length - a.pointer.length)[0] ??
        shown.filter((f) => at !== '' && f.pointer.startsWith(`${at}/`))[0];
      if (of) {
        of.input.setAttribute('aria-invalid', 'true');
        of.note.textContent = [of.note.textContent, fault.detail].filter(Boolean).join('; ');
      }
      return { ...fault, input: of?.input };
    });
  }
  sync();
  return { element, sync, showFaults };
}
