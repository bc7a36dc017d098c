/** The inputs of the fuzzer: command lines with the files that they read, and HTTP requests. */
import { readdirSync, readFileSync } from 'node:fs';
import { decode, encode } from '@msgpack/msgpack';
import { parse } from 'yaml';
import { COMMANDS } from '../../cli/commands.ts';
import { decodeSearch, encodeSearch } from '../../cli/search/image-file.ts';
import { memorySource } from '../../replay/source.ts';
import { EXPORTERS } from '../../timeline/encode/index.ts';
import { type Piece, rewritten } from '../replay/surgery.ts';
import { damaged } from '../trace/damaged.ts';
import { textOf } from '../trace/traces.ts';
import type { Draw } from './draw.ts';

/** What is run, and the files that lie in its folder. */
export interface CommandInput {
  readonly argv: readonly string[];
  readonly files: Readonly<Record<string, string | Uint8Array>>;
}

/** What all inputs are made from. */
export interface Seeds {
  /** Shipped scenarios, as plain data. */
  readonly scenarios: readonly unknown[];
  readonly journal: Uint8Array;
  readonly search: Uint8Array;
}

/** Shipped scenarios, small enough for many runs. */
export const scenarioSeeds = (): readonly unknown[] =>
  ['sev-snp', 'split-lock', 'os-lock', 'user-vmm'].flatMap((folder) =>
    readdirSync(`scenarios/${folder}`).map((name) => parse(readFileSync(`scenarios/${folder}/${name}`, 'utf8')) as unknown),
  );

function scenarioInput(draw: Draw, { scenarios }: Seeds): CommandInput {
  const base = draw.one(scenarios) as Record<string, unknown>;
  const other = draw.one(scenarios) as Record<string, unknown>;
  const key = draw.one(Object.keys(other));
  const changed = draw.plain(draw.chance(4) ? { ...base, [key]: other[key] } : base);
  const bounded = typeof changed === 'object' && changed !== null ? { ...changed, bounds: { steps: 300, states: 200 } } : changed;
  const text = JSON.stringify(bounded, null, draw.one([undefined, 1])) ?? 'null';
  const command = draw.one([
    ['check', 'a.yaml'],
    ['run', 'a.yaml', '--mode', 'memory'],
    ['run', 'a.yaml', '--mode', 'memory', '--chooser', 'random', '--seed', String(draw.below(1000))],
    ['explore', 'a.yaml', '--max-states', '100'],
    ['explore', 'a.yaml', '--max-states', '100', '--coverage'],
    ['machines', '--scenario', 'a.yaml'],
    ['paths', '--scenario', 'a.yaml'],
  ]);
  return {
    argv: [...command, ...draw.one([[], ['--json']])],
    files: { 'a.yaml': draw.chance(8) ? text.slice(draw.below(text.length)) : text },
  };
}

/** A frame with its payload changed, as data or as bytes, or its counts. */
function changedPiece(draw: Draw, piece: Piece): Piece {
  const how = draw.below(4);
  if (how === 0) return { ...piece, [draw.one(['records', 'steps', 'firstSeq', 'firstStep', 'type'] as const)]: draw.below(6) };
  if (how === 1) return { ...piece, payload: draw.bytes(piece.payload) };
  const value = decode(piece.payload);
  if (Array.isArray(value) && draw.chance(2)) {
    const at = draw.below(value.length);
    if (value[at] instanceof Uint8Array) value[at] = draw.bytes(value[at]);
    return { ...piece, payload: encode(value, { sortKeys: true }) };
  }
  return { ...piece, payload: encode(draw.plain(value), { sortKeys: true, ignoreUndefined: true }) };
}

function journalInput(draw: Draw, { journal }: Seeds): CommandInput {
  const target = draw.below(8);
  let at = 0;
  const bytes = rewritten(journal, (piece) => {
    if (at++ !== target) return piece;
    const how = draw.below(8);
    if (how === 0) return null;
    return how === 1 ? [piece, piece] : changedPiece(draw, piece);
  });
  const command = draw.one([
    ['verify', 'a.wsj'],
    ['verify', 'a.wsj', '--salvage', 'good.wsj'],
    ['replay', 'a.wsj'],
    ['replay', 'a.wsj', '--fold'],
    ['show', 'a.wsj', '--limit', '1000'],
    ['show', 'a.wsj', '--points'],
    ['show', 'a.wsj', '--step', String(draw.below(60))],
    ['show', 'a.wsj', '--explain'],
    ['diff', 'a.wsj', 'whole.wsj'],
    ['export', 'a.wsj', '--format', draw.one(EXPORTERS).name, '-o', 'out'],
    ['explore', 'a.wsj', '--max-states', '20'],
    ['inject', 'a.wsj', '--at', String(1 + draw.below(20)), '--choose', String(draw.below(3)), '--mode', 'memory'],
    ['shrink', 'a.wsj', '--time', '1', '-o', 'small.wsj'],
  ]);
  return { argv: [...command, ...draw.one([[], ['--json']])], files: { 'a.wsj': bytes, 'whole.wsj': journal } };
}

function searchInput(draw: Draw, { search }: Seeds): CommandInput {
  const { image, ...subject } = decodeSearch(memorySource(search));
  const part = draw.one(['dictionary', 'counts', 'findings', 'reached', 'rows', 'parent', 'via', 'ends', 'ended', 'reactions'] as const);
  const value = image[part];
  const changed = ArrayBuffer.isView(value) ? value.map((number) => (draw.chance(40) ? draw.below(300) - 1 : number)) : draw.plain(value);
  let bytes: Uint8Array;
  try {
    bytes = Buffer.concat([...encodeSearch(subject, { ...image, [part]: changed } as typeof image)]);
  } catch {
    // What has no canonical form cannot stand in a file.
    bytes = draw.bytes(search);
  }
  return { argv: ['explore', '--resume', 'a.wss', '--max-states', '150', ...draw.one([[], ['--json']])], files: { 'a.wss': bytes } };
}

/** A recording that was damaged, or a map that says something else. */
function recordingInput(draw: Draw): CommandInput {
  const text = damaged(
    textOf(draw.one(['6.12-full/ev-kick', '6.1-full/ev-debug', '6.1-voluntary/ev-zap', '6.12-full/fg-preempt'])),
    draw.below(1 << 30),
  );
  const host = draw.one([[], ['--kernel', draw.one(['6.1', '6.12'])], ['--preemption', draw.one(['full', 'voluntary', 'none'])]]);
  const map = { functions: draw.plain({ 'vcpu_load>kvm_arch_vcpu_load': { at: 'KVM_RUN.ioctl' } }), exits: draw.plain({ npf: 'IO' }) };
  const command = draw.one([
    ['conform', 'trace.txt', ...host],
    ['conform', 'trace.txt', '--map', 'map.yaml'],
    ['import', 'trace.txt', '-o', 'run.wsj', ...host],
    ['export', 'trace.txt', '--format', draw.one(EXPORTERS).name, '-o', 'out'],
    ['export', 'trace.txt', '--format', 'chrome', '--beside', 'a.wsj', '-o', 'out'],
  ]);
  return { argv: [...command, ...draw.one([[], ['--json']])], files: { 'trace.txt': text, 'map.yaml': JSON.stringify(map), 'a.wsj': '' } };
}

const WORDS = [
  '',
  '-',
  '--',
  '0',
  '1',
  '-1',
  '9007199254740993',
  '1.5',
  'x',
  '../x',
  'a.yaml',
  'a.wsj',
  '/dev/null',
  '.',
  '@a.yaml',
  '0.0.1',
  'memory',
  'clean',
];

/** Options and operands at random, within a budget of states unless one was drawn. */
async function flagsInput(draw: Draw, { scenarios, journal }: Seeds): Promise<CommandInput> {
  // A server does not end, and a demonstration takes no input.
  const entry = draw.one(COMMANDS.filter(({ name }) => name !== 'serve' && name !== 'demo'));
  const { COMMAND } = await entry.load();
  const given: string[] = [];
  for (let left = draw.below(4); left > 0 && COMMAND.options.length > 0; left--) {
    const { flags, choices } = draw.one(COMMAND.options);
    const [, name, takes] = /(--[a-z-]+)(?: (.*))?$/.exec(flags) ?? [];
    given.push(name!, ...(takes === undefined ? [] : [draw.one([...(choices ?? []), ...WORDS])]));
  }
  const operands = Array.from({ length: draw.below(3) }, () => draw.one([...WORDS, 'a.yaml', 'a.wsj', 'a.wsj', 'vmsa-in-use-kick']));
  const takesBudget = COMMAND.options.some(({ flags }) => flags.startsWith('--max-states'));
  const budget = takesBudget && !given.includes('--max-states') ? ['--max-states', '50'] : [];
  const text = JSON.stringify({ ...(scenarios[0] as object), bounds: { steps: 300, states: 200 } });
  return { argv: [entry.name, ...operands, ...given, ...budget], files: { 'a.yaml': text, 'a.wsj': journal } };
}

/** By what they are about. */
export const INPUTS: readonly ((draw: Draw, seeds: Seeds) => CommandInput | Promise<CommandInput>)[] = [
  scenarioInput,
  journalInput,
  searchInput,
  flagsInput,
  recordingInput,
];

const PARTS = [
  '',
  '/',
  'api',
  'runs',
  'events',
  'journal',
  'openapi.json',
  'healthz',
  '..',
  '%2e%2e',
  '%00',
  '%',
  'x'.repeat(3000),
  '\u00e9',
];
const VALUES = [
  '',
  '0',
  '1',
  '-1',
  '5',
  '999999999',
  '9007199254740993',
  'abc',
  '1e9',
  '%00',
  'bytes=0-',
  'bytes=5-1',
  'bytes=-5',
  'bytes=0-0,5-9',
  '*',
  'null',
];
const HEADERS = ['last-event-id', 'range', 'if-none-match', 'if-range', 'accept', 'origin', 'host', 'authorization', 'content-length'];

/** A request of a server with a run of this id. */
export function requestInput(draw: Draw, id: string): { readonly path: string; readonly init: RequestInit } {
  const known = [`/api/runs/${id}`, `/api/runs/${id}/events`, `/api/runs/${id}/journal`, '/api/runs', '/api/openapi.json', '/healthz', '/'];
  const made = `/${Array.from({ length: draw.below(5) }, () => draw.one([...PARTS, id])).join('/')}`;
  const query = Array.from({ length: draw.below(3) }, () => `${draw.one(['from', 'to', 'limit', 'x'])}=${draw.one(VALUES)}`).join('&');
  const headers = Object.fromEntries(Array.from({ length: draw.below(3) }, () => [draw.one(HEADERS), draw.one(VALUES)]));
  const method = draw.one(['GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']);
  return { path: `${draw.chance(3) ? made : draw.one(known)}${query === '' ? '' : `?${query}`}`, init: { method, headers } };
}
