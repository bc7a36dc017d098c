/** The part of Mermaid's state diagrams that diagrams here are made of, as a check. */

const LINES: readonly RegExp[] = [
  /^stateDiagram-v2$/,
  /^state "(?<title>[A-Za-z0-9_ .,()[\]|/+*?=-]+)" as (?<id>\w+)(?<opens> \{)?$/,
  /^(?<closes>\})$/,
  /^(?<region>--)$/,
  /^\[\*\] --> (?<first>\w+)$/,
  /^(?<from>\w+) --> (?<to>\w+) : [A-Za-z0-9_ .,()[\]|/+*?=-]+$/,
  /^(?<described>\w+) : [A-Za-z0-9_ .,()[\]|/+*?=-]+$/,
];

/**
 * What is wrong with a diagram: lines of no known form, braces, names that nothing declares, arrows
 * between states of different parents.
 */
export function mermaidMistakes(text: string): string[] {
  const mistakes: string[] = [];
  const parents: string[] = [''];
  const parentOf = new Map<string, string>();
  const arrows: { readonly from: string; readonly to: string }[] = [];
  for (const [i, raw] of text.trimEnd().split('\n').entries()) {
    const groups = LINES.map((form) => form.exec(raw.trim())).find((match) => match !== null);
    if (!groups) {
      mistakes.push(`line ${i + 1} has no known form: ${raw}`);
      continue;
    }
    const { id, opens, closes, from, to, first, described } = groups.groups ?? {};
    if (id !== undefined) {
      if (parentOf.has(id)) mistakes.push(`${id} is declared twice`);
      parentOf.set(id, parents.at(-1)!);
      if (opens) parents.push(id);
    }
    if (closes) parents.pop();
    if (from !== undefined && to !== undefined) arrows.push({ from, to });
    for (const name of [first, described]) if (name !== undefined) arrows.push({ from: name, to: name });
  }
  if (parents.length !== 1) mistakes.push('the braces do not balance');
  for (const { from, to } of arrows) {
    if (!parentOf.has(from) || !parentOf.has(to)) mistakes.push(`${from} --> ${to}: not both are declared`);
    else if (parentOf.get(from) !== parentOf.get(to)) mistakes.push(`${from} --> ${to} joins states of different parents`);
  }
  return mistakes;
}
