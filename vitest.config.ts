/**
 * Four projects, each with a patience of its own. What takes long is in `model`: the folders of
 * `MODEL`, and elsewhere the files named `*.model.test.ts`. `unit` has the rest, and takes a minute
 * or two.
 */
import { defineConfig } from 'vitest/config';

const SECOND = 1_000;
const MODEL = ['claims', 'contracts', 'sim/explore'].map((folder) => `test/${folder}/**/*.test.ts`);
const NAMED_MODEL = 'test/**/*.model.test.ts';

/** Takes away what the models of a test file register. */
const TOYS = 'test/sim/explore/toys-go.ts';
/** Files share what they import: to import it again takes longer than most of them run. */
const SHARED = { isolate: false, setupFiles: ['test/house/leaves-nothing.ts'] };

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...MODEL, NAMED_MODEL, 'test/scenarios/**', 'test/e2e/**'],
          ...SHARED,
          testTimeout: 20 * SECOND,
          hookTimeout: 60 * SECOND,
        },
      },
      {
        extends: true,
        test: {
          name: 'model',
          include: [...MODEL, NAMED_MODEL],
          ...SHARED,
          setupFiles: [...SHARED.setupFiles, TOYS],
          testTimeout: 60 * SECOND,
          hookTimeout: 60 * SECOND,
        },
      },
      {
        extends: true,
        test: {
          name: 'scenarios',
          include: ['test/scenarios/**/*.test.ts'],
          ...SHARED,
          setupFiles: [...SHARED.setupFiles, TOYS],
          testTimeout: 120 * SECOND,
        },
      },
      {
        extends: true,
        test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], ...SHARED, testTimeout: 60 * SECOND, hookTimeout: 60 * SECOND },
      },
    ],
  },
});
