/** Operations that a race declares, and how what carries them out reads their arguments. */
import { z } from 'zod';
import { integer, LIMITS, NAME, VCPU, vcpuNamed } from '../scenario/fields.ts';
import { unknownName } from '../scenario/issues.ts';
import { type Arguments, type Operation, operation } from '../scenario/operation.ts';
import { MechanismError } from './mechanism.ts';

/**
 * What an argument of the operation is, for the thread or the guest that stands at it. A vCPU is
 * given as the id of its actor.
 * @public
 */
export type Argument = <V = string>(name: string) => (walker: object, locals?: object) => V;

/** The operation of a program. An argument that is a `VCPU` is held as VM and index. */
export function operationOf(name: string, summary: string, args: Arguments = {}): Operation {
  if (args.vcpu !== VCPU) return operation(name, summary, args);
  const { vcpu: _vcpu, ...others } = args;
  return {
    summary,
    args,
    fields: { ...others, vm: NAME, vcpu: integer(0, LIMITS.vcpus - 1) },
    compiled: z.strictObject(args).transform(({ vcpu, ...rest }) => ({ op: name, ...vcpuNamed(vcpu as string), ...rest })),
  };
}

/**
 * The arguments that are written so, of what holds them; one that may be left out is undefined
 * then.
 * @throws MechanismError where none has the name
 */
export const argumentOf =
  (args: Arguments = {}, holder: (walker: object, locals?: object) => object): Argument =>
  <V>(name: string) => {
    // A vCPU is held as VM and index.
    const known = [...Object.keys(args), ...(Object.hasOwn(args, 'vcpu') && !Object.hasOwn(args, 'vm') ? ['vm'] : [])];
    if (!known.includes(name)) throw new MechanismError(`arg(): ${unknownName(name, 'one of its `args`', known)}`);
    return (walker: object, locals?: object): V => {
      const held = holder(walker, locals) as Readonly<Record<string, unknown>>;
      return (name === 'vcpu' && args.vcpu === VCPU ? `vcpu:${held.vm}/${held.vcpu}` : held[name]) as V;
    };
  };
