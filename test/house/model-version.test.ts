/** The model's id is that of the sources, and its version that of the log. */
import { describe, expect, it } from 'vitest';
import { modelFiles, modelIdOf } from '../../scripts/model-source.ts';
import { MODEL_ID } from '../../sim/model-id.ts';
import { BEHAVIOUR_LOG, MODEL_VERSION } from '../../sim/model-version.ts';

describe('the model id', () => {
  it('is that of the sources', () => {
    const id = modelIdOf(process.cwd());
    expect(MODEL_ID, `sim/model-id.ts is not of this tree, whose id is ${id.slice(0, 12)}…: run npm run model`).toBe(id);
  });

  it('covers what decides behaviour', () => {
    const files = modelFiles(process.cwd());
    for (const file of [
      'actors/host/pcpu.ts',
      'actors/kvm/kvm-run.ts',
      'events/sev-snp/rmp.ts',
      'sim/sequencer.ts',
      'sim/host/topology.ts',
    ]) {
      expect(files).toContain(file);
    }
    expect(files).not.toContain('sim/model-id.ts');
  });
});

describe('the behaviour log', () => {
  it('numbers its entries from 1 without gaps and says what and why', () => {
    expect(BEHAVIOUR_LOG.map(({ version }) => version)).toEqual(BEHAVIOUR_LOG.map((_, i) => i + 1));
    for (const { change, source } of BEHAVIOUR_LOG) expect([change.length > 10, source.length > 10]).toEqual([true, true]);
    expect(MODEL_VERSION).toBe(BEHAVIOUR_LOG.length);
  });
});
