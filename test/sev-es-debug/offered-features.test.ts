/** What KVM offers for VMSAs, by CPU, policy and kernel. */
import { describe, expect, it } from 'vitest';
import { offeredFeatures } from '../../sim/mechanisms/sev-es-debug/design.ts';
import { world } from './worlds.ts';

const hostWith = (features: readonly string[], policy: 'gated' | 'ungated' | 'off' = 'gated', kernel: '6.1' | '6.6' | '6.14' = '6.14') =>
  world({
    host: { features: ['sev', 'sev-es', ...features], options: { 'kvm.debugSwap': policy }, kernel },
    guest: [{ hlt: {} }],
    properties: {},
  }).host;

describe('DBG-8: KVM', () => {
  it.each([
    ['no', ['debug-swap'], 'gated', '6.14', []],
    ['no', ['no-nested-data-bp'], 'gated', '6.14', []],
    ['', ['debug-swap', 'no-nested-data-bp'], 'gated', '6.14', ['debug-swap']],
    ['', ['debug-swap', 'no-nested-data-bp'], 'gated', '6.6', ['debug-swap']],
    ['no', ['debug-swap', 'no-nested-data-bp'], 'gated', '6.1', []],
    ['', ['debug-swap'], 'ungated', '6.14', ['debug-swap']],
    ['no', ['debug-swap', 'no-nested-data-bp'], 'off', '6.14', []],
  ] as const)('offers %s DebugSwap on a CPU with %j, %s, on kernel %s', (_no, features, policy, kernel, offered) => {
    expect(offeredFeatures(hostWith(features, policy, kernel))).toEqual(offered);
  });
});
