/** Maps of recorded kernels: what a file may say, and what is said of one that is wrong. */
import { describe, expect, it } from 'vitest';
import { knowsFunction, mapOf, readMap } from '../../trace/conform/map.ts';
import { isAt, levelOf } from '../../trace/conform/visible.ts';
import { mapWith, modelOf } from './conformed.ts';

describe('a map', () => {
  it('adds to the files before it, and replaces entries of the same name', () => {
    const map = mapWith('6.12', 'exits: { npf: MMIO, msr: [MSR, NMI] }\nknown: [my_*]\nevents: { kvm_entry: { at: my_run } }');
    expect(map.exits.get('npf')).toEqual(['MMIO']);
    expect(map.exits.get('msr')).toEqual(['MSR', 'NMI']);
    expect(map.exits.get('hlt')).toEqual(['HLT']);
    expect(map.events.get('kvm_entry')?.at).toEqual(['my_run']);
    expect(knowsFunction(map, 'my_function')).toBe(true);
    expect(knowsFunction(map, 'other_function')).toBe(false);
    expect(map.files).toEqual(['svm.yaml', 'svm-6.12.yaml', 'own.yaml']);
  });

  it('reads reasons of exits in small letters, as they are compared', () => {
    expect(mapOf([readMap('exits: { MSR: NMI }', 'm.yaml')]).exits.get('msr')).toEqual(['NMI']);
  });

  it.each([
    ['a key that is unknown', 'funktions: {}', 'm.yaml:1: funktions: unknown key; expected one of vendor, kernel'],
    ['a place that is no name', 'functions:\n  f: { at: "KVM RUN" }', 'm.yaml:2: functions.f.at: found "KVM RUN"; expected a micro-step'],
    ['a function that stands for nothing', 'functions:\n  f: { entered: true }', 'm.yaml:2: functions.f: it stands for nothing'],
    [
      'a function that is no name',
      'functions:\n  "f()": { at: a }',
      'm.yaml:2: functions["f()"]: found "f()"; expected a function by its name',
    ],
    ['an event that stands for no step', 'events:\n  sched_switch: { at: a }', 'm.yaml:2: events.sched_switch: unknown key'],
    [
      'a condition that is none',
      'functions:\n  f: { at: a, entered: often }',
      'm.yaml:2: functions.f.entered: found "often"; expected true',
    ],
    ['an exit without a name', 'exits: { hlt: [] }', 'm.yaml:1: exits.hlt: found 0 entries; expected 1 to 20'],
    ['a list where a map is due', 'functions: [f]', 'm.yaml:1: functions: found a list; expected a map'],
    ['a list of anything', 'known: [1]', 'm.yaml:1: known[0]: found 1; expected a function by its name'],
    ['text that is not YAML', 'a: b: c', 'm.yaml:1: found text that is not YAML'],
    ['nothing', '', 'm.yaml:1: found nothing; expected a map'],
    ['an alias', 'known: &a [f]\ninside: *a', 'm.yaml:1: known: found the anchor'],
  ])('is refused with its line: %s', (_what, text, message) => {
    expect(() => readMap(text, 'm.yaml')).toThrow(message);
  });

  it('is bounded', () => {
    const many = Array.from({ length: 5_001 }, (_, index) => `  f${index}: { at: a }`).join('\n');
    expect(() => readMap(`functions:\n${many}`, 'm.yaml')).toThrow('found 5001 entries; expected at most 5000');
  });
});

describe('the shipped maps', () => {
  it.each(['6.1', '6.12'] as const)('name micro-steps of the model of %s', (kernel) => {
    const steps = modelOf(kernel, 'full').steps();
    const map = mapWith(kernel, 'known: [f]');
    const places = [...map.functions.values(), ...map.events.values()].flatMap(({ at, after, returns }) => [...at, ...after, ...returns]);
    expect(places.length).toBeGreaterThan(20);
    expect(places.filter((place) => !steps.some((step) => isAt(step, place)))).toEqual([]);
  });

  it('do not name a function twice', () => {
    const map = mapWith('6.12', 'vendor: svm');
    const mapped = [...map.functions.keys()].filter((name) => !name.includes('>'));
    expect(mapped.filter((name) => map.known.includes(name))).toEqual([]);
    expect(map.known.filter((name, at) => map.known.indexOf(name) !== at)).toEqual([]);
  });
});

describe('a place of a map', () => {
  it('names a step by the end or the middle of its name', () => {
    const step = 'main.KVM_RUN.vcpu_block.kvm_vcpu_halt.kvm_vcpu_block.schedule';
    expect(isAt(step, 'kvm_vcpu_block.schedule')).toBe(true);
    expect(isAt(step, 'kvm_vcpu_halt')).toBe(true);
    expect(isAt(step, 'vcpu_halt')).toBe(false);
    expect(levelOf(step, 'schedule')).toBeGreaterThan(levelOf(step, 'kvm_vcpu_halt.kvm_vcpu_block'));
    expect(levelOf(step, 'kvm_vcpu_block')).toBe(levelOf(step, 'kvm_vcpu_halt.kvm_vcpu_block'));
  });
});
