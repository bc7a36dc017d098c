/**
 * `--max-memory`: what the process has in memory, as the kernel counts it, bounds a search. Garbage
 * counts until it is collected, so it is collected before a search is told that nothing more fits.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { usageError } from '../errors.ts';

const MIB = 2 ** 20;
/** Least memory that a search gets besides what the process has when it begins. */
const LEAST_MIB = 64;
/**
 * Share of the bound that has to be free after a collection: with less the next one would come at
 * once.
 */
const FREE_LEAST = 0.03;

const residentBytes = (): number => process.memoryUsage.rss();

function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

/**
 * Whether so many bytes more fit.
 * @throws CliError if the bound is less than the process needs before it has searched anything
 */
export function memoryBound(mib: number): (bytes: number) => boolean {
  const collect = collector();
  collect();
  const floor = Math.ceil(residentBytes() / MIB) + LEAST_MIB;
  if (mib < floor)
    throw usageError(`--max-memory ${mib} is too little: the program itself and the least tables take ${floor} MiB`, {
      attempt: `--max-memory ${floor}, or more`,
    });
  const limit = mib * MIB;
  return (bytes) => {
    if (residentBytes() + bytes <= limit) return true;
    collect();
    return residentBytes() + bytes <= (1 - FREE_LEAST) * limit;
  };
}
