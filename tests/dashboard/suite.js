// tests/dashboard: says line by line what holds, and counts.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

let passed = 0,
  failed = 0;

/** One test: a sentence that holds if check() does not throw. page: shown as a picture where it does. */
export async function it(sentence, check, page) {
  const begun = Date.now();
  try {
    await check();
    passed++;
    console.log(`ok      ${sentence} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed++;
    console.log(
      `FAILED  ${sentence}\n        ${String(error.stack ?? error)
        .split('\n')
        .slice(0, 12)
        .join('\n        ')}`,
    );
    const text = await page
      ?.locator('main')
      .innerText({ timeout: 1000 })
      .catch(() => '');
    if (text) console.log(`        the page said: ${text.replaceAll('\n', ' | ').slice(0, 1500)}`);
    if (page && process.env.E2E_KEEP)
      await page
        .screenshot({ path: join(process.env.E2E_KEEP, `failed-${failed}.png`), fullPage: true })
        .catch(() => {});
  }
}

export function is(got, expected, what = '') {
  const [a, b] = [JSON.stringify(got), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what} got ${a}, expected ${b}`);
}

export function holds(condition, what) {
  if (!condition) throw new Error(`does not hold: ${what}`);
}

export function finish() {
  if (passed + failed === 0) failed = 1;
  console.log(`${passed} passed, ${failed} failed`);
  if (process.env.ROLLCALL_TEST_RESULTS)
    writeFileSync(join(process.env.ROLLCALL_TEST_RESULTS, 'dashboard.sh'), `${passed} ${failed}\n`);
  process.exitCode = failed > 0 ? 1 : 0;
}
