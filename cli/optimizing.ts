/**
 * How soon V8 compiles a function with its optimizing compiler. A search that ends in a fraction of
 * a second otherwise spends half of its processor time on machine code that it hardly gets to run:
 * docs/benchmarks.md has the figures. A long search loses nothing that can be measured.
 */
import { setFlagsFromString } from 'node:v8';

const COUNT = 'invocation-count-for-turbofan=48000';

/**
 * By major version of V8, sixteen times the default: bytes of bytecode between two checks whether a
 * function is hot; in later versions its calls. A version that has not been tried gets no flag: V8
 * complains of flags that it does not know.
 */
const FLAGS: Readonly<Record<string, string>> = { 11: 'interrupt-budget=1081344', 12: COUNT, 13: COUNT, 14: COUNT };

/**
 * For the whole process and all its threads. It changes when code is compiled, and never what it
 * does.
 */
export function optimizeLater(): void {
  const flag = FLAGS[process.versions.v8.split('.')[0]!];
  if (flag !== undefined) setFlagsFromString(`--${flag}`);
}
