// Makes elements and keeps them up to date. Whatever is shown goes in as text nodes and attributes, never as markup:
// names that devices and people chose cannot become anything else.

const SVG = 'http://www.w3.org/2000/svg';

function add(parent, child) {
  if (Array.isArray(child)) child.forEach((c) => add(parent, c));
  else if (child instanceof Node) parent.append(child);
  else if (child !== null && child !== undefined && child !== false) parent.append(String(child));
}

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name === 'on') {
    element.handlers = value;
    for (const type of Object.keys(value)) element.addEventListener(type, handle);
  } else if (name === 'style') {
    for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
  } else {
    element.setAttribute(name, value === true ? '' : value);
  }
}

// One listener for all, so that update() can hand the newest handlers on to an element that stays; and what a handler
// could not do is shown.
async function handle(event) {
  try {
    await event.currentTarget.handlers[event.type]?.(event);
  } catch (error) {
    if (error.name !== 'AbortError') document.dispatchEvent(new CustomEvent('rollcall:trouble', { detail: error }));
  }
}

function make(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) set(element, name, value);
  add(element, children);
  return element;
}

/** An element with attributes; `on` takes handlers by event, `style` CSS properties. */
export const h = (tag, props, ...children) => make(document.createElement(tag), props, children);

/** The same for pictures. */
export const s = (tag, props, ...children) => make(document.createElementNS(SVG, tag), props, children);

const isAlike = (a, b) =>
  a.nodeType === b.nodeType &&
  a.nodeName === b.nodeName &&
  (a.nodeType !== Node.ELEMENT_NODE || a.getAttribute('data-key') === b.getAttribute('data-key'));

function updateAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === 'open' && old.nodeName === 'DETAILS')) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) === value) continue;
    if (name === 'style')
      old.style.cssText = value; // the policy takes no style as an attribute that is set
    else old.setAttribute(name, value);
  }
  for (const type of Object.keys(fresh.handlers ?? {})) {
    if (!old.handlers?.[type]) old.addEventListener(type, handle);
  }
  old.handlers = fresh.handlers;
}

function updateChildren(old, fresh) {
  const keyed = new Map([...old.children].filter((c) => c.dataset?.key).map((c) => [c.dataset.key, c]));
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const known = child.dataset?.key ? keyed.get(child.dataset.key) : undefined;
    if (known && known !== at && isAlike(known, child)) old.insertBefore(known, at);
    const candidate = known && isAlike(known, child) ? known : at;
    if (candidate && isAlike(candidate, child)) {
      at = candidate.nextSibling;
      updateNode(candidate, child);
    } else {
      old.insertBefore(child, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function updateNode(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  updateAttributes(old, fresh);
  if (!fresh.hasAttribute('data-own')) updateChildren(old, fresh);
}

/** Makes parent's children what `children` says, keeping the elements that stay (by data-key, else by place), and so
 * focus, scrolling and what is open. What is below data-own is left to its owner. */
export function update(parent, ...children) {
  const fresh = document.createElement(parent.localName);
  add(fresh, children);
  updateChildren(parent, fresh);
}

/** Tells screen readers, once. */
export function say(text) {
  document.getElementById('said').textContent = text;
}
