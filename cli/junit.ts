/** Results as JUnit XML, which continuous integration reads. */

/** XML 1.0 has no way to write most controls, so they are shown as escapes. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\uFFFE\uFFFF]/gu;
const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

const text = (value: string): string =>
  value.replace(UNPRINTABLE, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`).replace(/[&<>"]/g, (char) => ENTITIES[char]!);

export interface JunitCase {
  /** `journal` or `scenario`: the class of the test case. */
  readonly kind: string;
  readonly name: string;
  readonly ok: boolean;
  readonly lines: readonly string[];
}

/** One suite. Times are left out: the same tree gives the same file. */
export function junitOf(cases: readonly JunitCase[]): string {
  const failures = cases.filter(({ ok }) => !ok).length;
  const bodies = cases.map(({ kind, name, ok, lines }) => {
    const open = `    <testcase classname="${text(kind)}" name="${text(name)}"`;
    const [message = '', ...rest] = lines;
    return ok ? `${open}/>` : `${open}>\n      <failure message="${text(message)}">${rest.map(text).join('\n')}</failure>\n    </testcase>`;
  });
  const counts = `tests="${cases.length}" failures="${failures}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts}>`,
    `  <testsuite name="worldswitch verify" ${counts}>`,
    ...bodies,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}
