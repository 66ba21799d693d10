// A new campaign, or a schedule of them: the form and its JSON side by side, what would come of it, and only then its
// start.
import { Problem, path, send } from './api.js';
import { confirm } from './dialog.js';
import { h, say, update } from './dom.js';
import { specForm } from './form.js';
import { devices } from './format.js';
import { trouble } from './parts.js';
import { previewOf } from './preview.js';
import { fresh } from './spec.js';
import { action } from './words.js';

const freshSchedule = () => ({
  name: '',
  recurrence: { cron: '', timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone },
  overlap: 'skip',
  campaign: fresh(),
});

export async function show(root, { kind }) {
  const isSchedule = kind === 'schedules';
  const state = { spec: isSchedule ? freshSchedule() : fresh() };
  const campaign = () => (isSchedule ? state.spec.campaign : state.spec);
  const faultBox = h('div', { tabindex: '-1' }),
    previewBox = h('div', {});
  const text = h('textarea', {
    id: 'json',
    rows: 14,
    spellcheck: 'false',
    'aria-describedby': 'json-fault',
    on: { input: readText },
  });
  const textFault = h('p', { class: 'fault', id: 'json-fault' });
  let previewed = null,
    previewedText = '',
    key = crypto.randomUUID();

  const form = specForm(state, onChange, isSchedule);
  function onChange() {
    key = crypto.randomUUID(); // another body is another campaign
    if (document.activeElement !== text) text.value = JSON.stringify(state.spec, null, 2);
    draw();
  }
  function readText() {
    try {
      const spec = JSON.parse(text.value);
      if (spec === null || typeof spec !== 'object' || Array.isArray(spec)) throw new Error('it must be an object');
      state.spec = spec;
      textFault.textContent = '';
      form.sync();
      onChange();
    } catch (error) {
      textFault.textContent = `Not JSON yet: ${error.message}`;
    }
  }

  function showProblem(error, prefix = '') {
    if (!(error instanceof Problem) || error.faults.length === 0) {
      faultBox.replaceChildren(trouble(error));
    } else {
      const faults = form.showFaults(
        error.faults.map((f) => ({ ...f, pointer: f.pointer === undefined ? undefined : prefix + f.pointer })),
      );
      faultBox.replaceChildren(
        h(
          'div',
          { class: 'trouble', role: 'alert' },
          h(
            'div',
            {},
            h('p', {}, h('b', {}, error.message)),
            h(
              'ul',
              {},
              faults.map((f) =>
                h(
                  'li',
                  {},
                  f.input
                    ? h(
                        'a',
                        {
                          href: `#${f.input.id}`,
                          on: {
                            click: (e) => {
                              e.preventDefault();
                              f.input.focus();
                            },
                          },
                        },
                        f.detail,
                      )
                    : f.detail,
                  ' ',
                  h('code', {}, f.pointer ?? ''),
                ),
              ),
            ),
          ),
        ),
      );
    }
    faultBox.focus();
  }
  async function preview() {
    faultBox.replaceChildren();
    form.showFaults([]);
    const sent = JSON.stringify(campaign());
    try {
      previewed = await send('POST', path(['campaigns', 'preview']), campaign());
      previewedText = sent;
      draw();
      say(`Preview: ${devices(previewed.targets.toCall)} will be called`);
      previewBox.scrollIntoView({ block: 'nearest' });
    } catch (error) {
      previewed = null;
      draw();
      showProblem(error, isSchedule ? '/campaign' : '');
    }
  }
  async function start() {
    const type = campaign().action?.type,
      what = `${action[type]?.[1] ?? 'calls'} ${devices(previewed.targets.toCall)}`;
    const made = await confirm({
      title: isSchedule ? 'Make this schedule' : 'Start this campaign',
      yes: isSchedule ? 'Make it' : 'Start',
      isGrave: type === 'factoryReset',
      check: type === 'factoryReset' ? 'These devices may lose what is on them.' : undefined,
      body: isSchedule
        ? [h('p', {}, h('b', {}, state.spec.name), ` starts a new campaign each time, which ${what} as of now.`)]
        : [
            h('p', {}, h('b', {}, state.spec.name), ` ${what}.`),
            h(
              'p',
              {},
              state.spec.schedule?.startAt
                ? 'It starts at the time given.'
                : 'Its first calls leave as soon as its devices are found and its limits allow.',
            ),
          ],
      act: async () => {
        try {
          return await send('POST', path([isSchedule ? 'schedules' : 'campaigns']), state.spec, { key });
        } catch (error) {
          showProblem(error);
          throw error;
        }
      },
    });
    if (made) location.hash = isSchedule ? '#/schedules' : `#/campaigns/${encodeURIComponent(made.id)}`;
  }

  function draw() {
    const isCurrent = previewed !== null && JSON.stringify(campaign()) === previewedText;
    update(
      previewBox,
      h(
        'section',
        { class: 'panel', 'data-key': 'preview' },
        h('h2', {}, 'What would come of it'),
        previewed
          ? [
              !isCurrent && h('p', { class: 'tone-warn' }, 'The spec has changed since: preview it again.'),
              previewOf(previewed),
            ]
          : h(
              'p',
              { class: 'note' },
              'A preview finds the devices, sends nothing to them, and says when each wave would start and end.',
            ),
        h(
          'div',
          { class: 'buttons' },
          h(
            'button',
            { type: 'button', class: isCurrent ? null : 'primary', 'data-key': 'preview', on: { click: preview } },
            isCurrent ? 'Preview again' : 'Preview',
          ),
          h(
            'button',
            {
              type: 'button',
              class: isCurrent ? 'primary' : null,
              'data-key': 'start',
              disabled: !isCurrent,
              on: { click: start },
            },
            isSchedule ? 'Make the schedule …' : 'Start …',
          ),
        ),
      ),
    );
  }

  const title = isSchedule ? 'New schedule' : 'New campaign';
  update(
    root,
    h(
      'p',
      { class: 'crumbs' },
      h('a', { href: isSchedule ? '#/schedules' : '#/' }, isSchedule ? 'Schedules' : 'Campaigns'),
    ),
    h('div', { class: 'head' }, h('h1', {}, title)),
  );
  root.append(
    faultBox,
    h(
      'div',
      { class: 'new' },
      h(
        'form',
        {
          class: 'panel',
          'aria-label': title,
          on: {
            submit: (e) => {
              e.preventDefault();
              preview();
            },
          },
        },
        form.element,
      ),
      h(
        'div',
        { class: 'column side' },
        previewBox,
        h(
          'details',
          { class: 'panel', open: true },
          h('summary', {}, h('h2', {}, 'As JSON')),
          h('label', { for: 'json', class: 'hidden' }, 'The spec as JSON'),
          text,
          textFault,
        ),
      ),
    ),
  );
  text.value = JSON.stringify(state.spec, null, 2);
  draw();
  return title;
}
