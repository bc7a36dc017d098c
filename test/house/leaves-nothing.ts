/**
 * Checks that each test file leaves the process as it found it: the next file runs in the same one.
 */
import { beforeAll, expect } from 'vitest';
import { mechanisms } from '../../sim/host/registry.ts';

const around = () => ({ mechanisms: mechanisms().map(({ name }) => name), folder: process.cwd(), env: { ...process.env } });

// Before the file is imported: it may register at its top.
const before = around();

// What a hook answers is called after all other hooks of the file, that of the first hook last.
beforeAll(() => () => {
  expect(around(), 'a test file has to take away what it registers and sets').toEqual(before);
});
