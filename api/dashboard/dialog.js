// Questions before something is done: what it will do in a sentence, then yes or no.
import { h, say } from './dom.js';
import { trouble } from './parts.js';

/** Asks; when confirmed, awaits act() and closes, or shows what went wrong and stays. Gives what act() gave,
 * undefined when not confirmed. body: nodes; check: what has to be ticked first. */
export function confirm({ title, body, yes, isGrave = false, check, act }) {
  return new Promise((resolve) => {
    const problem = h('div', {});
    const box =
      check &&
      h('input', {
        type: 'checkbox',
        id: 'dialog-check',
        on: {
          change: () => {
            button.disabled = !box.checked;
          },
        },
      });
    const button = h('button', { type: 'submit', class: isGrave ? 'grave' : 'primary', disabled: Boolean(check) }, yes);
    const no = h('button', { type: 'button', on: { click: () => dialog.close() } }, 'Back');
    let result;
    const submit = async (event) => {
      event.preventDefault();
      if (button.disabled) return;
      button.disabled = true;
      problem.replaceChildren();
      try {
        result = await act(form);
        say(`${title}: done`);
        dialog.close();
      } catch (error) {
        problem.replaceChildren(trouble(error));
        button.disabled = false;
      }
    };
    const form = h(
      'form',
      { on: { submit } },
      h('h2', { id: 'dialog-title' }, title),
      h('div', { class: 'dialog-body' }, body),
      check && h('p', { class: 'check' }, box, h('label', { for: 'dialog-check' }, check)),
      problem,
      h('div', { class: 'buttons' }, no, button),
    );
    const dialog = h(
      'dialog',
      {
        'aria-labelledby': 'dialog-title',
        on: {
          close: () => {
            dialog.remove();
            resolve(result);
          },
        },
      },
      form,
    );
    document.body.append(dialog);
    dialog.showModal();
    (form.querySelector('input, select, textarea') ?? (isGrave ? no : button)).focus();
  });
}
