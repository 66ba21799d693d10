// tests/dashboard: browser pages that tell what goes wrong in them, and what they ask for.
import axe from 'axe-core';
import { PATIENCE_MS } from './rig.js';
import { holds } from './suite.js';

/** All that pages complained of, and every request they made. */
export const complaints = [],
  requests = [];

export async function openPage(browser, { width = 1440, height = 900, dark = false } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    reducedMotion: 'reduce',
    timezoneId: 'Europe/Stockholm',
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.stack}`));
  page.on('console', (message) => {
    // the browser itself tells of each answer that is no success; the tests look at those they mean to see
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
      complaints.push(`${page.url()}: ${message.text()}`);
  });
  page.on('request', (request) => requests.push({ url: request.url(), page: page.url() }));
  return page;
}

/** Opens an address of the dashboard as a page of its own, and waits until it has something to show. */
export async function go(page, service, address) {
  await page.goto('about:blank');
  await page.goto(`${service.url}/${address}`);
  await page.locator('main h1').first().waitFor();
}

/** Nothing serious for axe-core, the engine of accessibility checkers. */
export async function isAccessible(page, name) {
  const { violations } = await page.evaluate(`${axe.source}; axe.run(document, { resultTypes: ['violations'], selectors: false, preload: false })`);
  const serious = violations.filter((v) => ['serious', 'critical'].includes(v.impact));
  holds(
    serious.length === 0,
    `${name}: ${serious
      .map(
        (v) =>
          `${v.id}: ${v.help}: ${v.nodes
            .slice(0, 3)
            .map((n) => `${n.html.slice(0, 160)} ${n.any.map((a) => a.message).join('; ')}`)
            .join(' || ')}`,
      )
      .join('\n')}`,
  );
}

/** Nothing is wider than the screen. */
export async function fits(page, name) {
  const { wide, width } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth,
    width: innerWidth,
  }));
  holds(wide <= width, `${name}: ${wide} px wide on a screen of ${width}`);
}

/** Presses a button by its name, and the one that confirms; gives what the question said. */
export async function order(page, name, yes) {
  await page.getByRole('button', { name }).click();
  const dialog = page.getByRole('dialog');
  const text = await dialog.innerText();
  await dialog.getByRole('button', { name: yes, exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  return text;
}

/** The state that the page shows of the campaign. */
export const stateOf = (page) => page.locator('.state-line .badge').innerText();
export const waitState = (page, state) => page.locator('.state-line .badge', { hasText: state }).waitFor();
