/** Parameters of a scenario: their values, and what `--set` makes of text. */
import { type U64, U64_MAX, u64 } from '../../events/u64.ts';
import { ParameterValueError, type PathIssue, shown, UnknownParameterError, unknownName, withoutPlace } from './issues.ts';
import type { Parameter, ParameterValue, Scenario } from './types.ts';

export type Values = ReadonlyMap<string, ParameterValue>;

const INTEGER = /^[+-]?(?:[0-9]+|0[xX][0-9a-fA-F]+)$/;

/** What a parameter may be, in words. */
function allowed(parameter: Parameter): string {
  switch (parameter.type) {
    case 'integer': {
      const { min, max } = parameter;
      if (min !== undefined && max !== undefined) return `an integer from ${min} to ${max}`;
      if (min !== undefined) return `an integer of at least ${min}`;
      return max === undefined ? 'an integer' : `an integer of at most ${max}`;
    }
    case 'boolean':
      return 'true or false';
    case 'string':
      return parameter.enum === undefined ? 'text' : `one of ${parameter.enum.map((value) => JSON.stringify(value)).join(', ')}`;
  }
}

const isWithin = (value: bigint, { min, max }: { readonly min?: U64 | undefined; readonly max?: U64 | undefined }): boolean =>
  (min === undefined || value >= BigInt(min)) && (max === undefined || value <= BigInt(max));

function allows(parameter: Parameter, value: ParameterValue): boolean {
  switch (parameter.type) {
    case 'integer':
      return typeof value !== 'boolean' && isWithin(BigInt(value), parameter);
    case 'boolean':
      return typeof value === 'boolean';
    case 'string':
      return typeof value === 'string' && (parameter.enum === undefined || parameter.enum.includes(value));
  }
}

/** A text as a value of the parameter's type; null if it is none. */
function typed(parameter: Parameter, text: string): ParameterValue | null {
  switch (parameter.type) {
    case 'integer': {
      if (!INTEGER.test(text)) return null;
      const digits = BigInt(text.replace(/^[+-]/, ''));
      if (text.startsWith('-') && digits > 0n) return digits > Number.MAX_SAFE_INTEGER ? null : -Number(digits);
      return digits > U64_MAX ? null : u64(digits);
    }
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : null;
    case 'string':
      return text;
  }
}

/** Parameters that contradict themselves. */
export function parameterIssues(params: NonNullable<Scenario['params']>): PathIssue[] {
  return Object.entries(params).flatMap(([name, parameter]) => {
    if (parameter.type === 'integer' && parameter.min !== undefined && !isWithin(BigInt(parameter.min), { max: parameter.max })) {
      return [{ path: ['params', name, 'min'], message: `found ${parameter.min}; expected at most the max, ${parameter.max}` }];
    }
    if (allows(parameter, parameter.default)) return [];
    return [{ path: ['params', name, 'default'], message: `found ${shown(parameter.default)}; expected ${allowed(parameter)}` }];
  });
}

/**
 * The values of all parameters: what `set` says, else the default.
 * @throws UnknownParameterError, ParameterValueError
 */
export function parameterValues(params: NonNullable<Scenario['params']>, set: Readonly<Record<string, string>> = {}): Values {
  const values = new Map<string, ParameterValue>(Object.entries(params).map(([name, parameter]) => [name, parameter.default]));
  for (const [name, text] of Object.entries(set)) {
    const parameter = Object.hasOwn(params, name) ? params[name] : undefined;
    if (parameter === undefined) {
      const message = unknownName(name, 'a parameter of the scenario', Object.keys(params));
      throw new UnknownParameterError(withoutPlace([{ path: [], message }]), 'no such parameter');
    }
    const value = typed(parameter, text);
    if (value === null || !allows(parameter, value)) {
      const message = `found ${shown(text)}; expected ${allowed(parameter)}`;
      throw new ParameterValueError(withoutPlace([{ path: ['params', name], message }]), `parameter ${name} cannot be set to this`);
    }
    values.set(name, value);
  }
  return values;
}
