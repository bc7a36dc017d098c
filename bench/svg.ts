/** Curves of growth as an SVG: panels in rows, a logarithmic scale upward. */

interface Point {
  readonly at: number;
  readonly value: number;
  /** The search was cut: the value is at least this. */
  readonly isCut: boolean;
}

export interface Panel {
  readonly title: string;
  readonly lines: readonly { readonly name: string; readonly points: readonly Point[] }[];
}

const WIDTH = 300;
const HEIGHT = 200;
const PAD = { left: 56, right: 16, top: 34, bottom: 28 };
const COLOURS = ['#c2410c', '#1d4ed8'];

/** Two significant digits, thousands as k and M. */
function short(value: number): string {
  const [scaled, suffix] = value >= 1e6 ? [value / 1e6, 'M'] : value >= 1e3 ? [value / 1e3, 'k'] : [value, ''];
  return `${scaled >= 100 ? scaled.toFixed(0) : Number(scaled.toPrecision(2))}${suffix}`;
}

function panel({ title, lines }: Panel, left: number, top: number): string {
  const points = lines.flatMap((line) => line.points);
  const ats = [...new Set(points.map(({ at }) => at))].sort((one, other) => one - other);
  const from = Math.floor(Math.log10(Math.min(...points.map(({ value }) => value))));
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(...points.map(({ value }) => value)))));
  const x = (at: number): number => left + PAD.left + ((at - ats[0]!) / (ats.at(-1)! - ats[0]!)) * (WIDTH - PAD.left - PAD.right);
  const y = (value: number): number =>
    top + HEIGHT - PAD.bottom - ((Math.log10(value) - from) / (to - from)) * (HEIGHT - PAD.top - PAD.bottom);
  const out = [`<text x="${left + PAD.left}" y="${top + 16}" font-weight="bold">${title}</text>`];
  for (let power = from; power <= to; power++) {
    const at = y(10 ** power).toFixed(1);
    out.push(`<line x1="${left + PAD.left}" x2="${left + WIDTH - PAD.right}" y1="${at}" y2="${at}" stroke="#ddd"/>`);
    out.push(`<text x="${left + PAD.left - 6}" y="${at}" dy="0.35em" text-anchor="end">${short(10 ** power)}</text>`);
  }
  for (const at of ats) out.push(`<text x="${x(at).toFixed(1)}" y="${top + HEIGHT - 10}" text-anchor="middle">${at}</text>`);
  for (const [i, { points: line }] of lines.entries()) {
    const path = line.map(({ at, value }) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
    out.push(`<polyline points="${path}" fill="none" stroke="${COLOURS[i]}" stroke-width="2"/>`);
    for (const { at, value, isCut } of line)
      out.push(
        `<circle cx="${x(at).toFixed(1)}" cy="${y(value).toFixed(1)}" r="3.5" fill="${isCut ? '#fff' : COLOURS[i]}" stroke="${COLOURS[i]}"/>`,
      );
  }
  return out.join('\n');
}

/** Rows of panels, with a legend below. */
export function drawn(rows: readonly (readonly Panel[])[]): string {
  const width = WIDTH * Math.max(...rows.map((row) => row.length));
  const height = HEIGHT * rows.length + 30;
  const names = rows[0]![0]!.lines.map(({ name }) => name);
  const legend = names.map(
    (name, i) =>
      `<circle cx="${60 + 120 * i}" cy="${height - 14}" r="4" fill="${COLOURS[i]}"/><text x="${70 + 120 * i}" y="${height - 10}">${name}</text>`,
  );
  const cut = 60 + 120 * names.length;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    `<title>${rows
      .flat()
      .map(({ title }) => title)
      .join(', ')}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...rows.flatMap((row, down) => row.map((one, across) => panel(one, WIDTH * across, HEIGHT * down))),
    ...legend,
    `<circle cx="${cut}" cy="${height - 14}" r="4" fill="#fff" stroke="#555"/><text x="${cut + 10}" y="${height - 10}">cut at the bound: at least this</text>`,
    '</svg>',
    '',
  ].join('\n');
}
