/**
 * How soon V8 compiles a function with its optimizing compiler. A search that ends in a fraction of a second otherwise spends half of its
 * processor time on machine code that it hardly gets to run: docs/benchmarks.md has the figures. A long search loses nothing that can be measured.
 */
import { setFlagsFromString } from 'node:v8';

/** Bytes of bytecode that a function runs between two looks at whether it is hot; V8's own number is a sixteenth of it. */
const INTERRUPT_BUDGET = 1_081_344;

/** For the whole process and all its threads. It changes when code is compiled, and never what it does. */
export function optimizeLater(): void {
  setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET}`);
}
