/**
 * Mutants of split-lock detection that no claim of the notes is about: where each is run, and what
 * it breaks there.
 */

export interface MutantCase {
  readonly mutant: string;
  readonly scenario: string;
  readonly variant: string;
  /** What breaks with it; without it nothing does. */
  readonly breaks: readonly string[];
}

export const MUTANT_CASES: readonly MutantCase[] = [
  { mutant: 'sld-no-get-cpu', scenario: 'sld-sysctl-flip', variant: 'once', breaks: ['sld.detection-returns'] },
  {
    mutant: 'sld-warn-keeps-detection',
    scenario: 'sld-migrated-after-put-cpu',
    variant: 'mitigate',
    breaks: ['sld.splitter-gets-through'],
  },
  {
    mutant: 'sld-warn-keeps-detection',
    scenario: 'sld-timer-livelock',
    variant: 'period-20ms',
    breaks: ['sld.guest-gets-through'],
  },
  { mutant: 'sld-signal-not-consumed', scenario: 'sld-timer-livelock', variant: 'no-mitigate', breaks: ['sld.guest-gets-through'] },
  { mutant: 'vmx-no-vmxon-at-resume', scenario: 'sld-resume-vmxon', variant: 'whitelist-check', breaks: ['vmx.vmptrld-runs'] },
  { mutant: 'sld-ratelimit-once', scenario: 'sld-bus-lock-ratelimit', variant: 'ratelimit', breaks: ['sld.bus-locks-paid'] },
  { mutant: 'kvm-bus-lock-untold', scenario: 'sld-bus-lock-exit', variant: 'exit', breaks: ['sld.bus-locks-paid'] },
  { mutant: 'kvm-bus-lock-untold', scenario: 'sld-bus-lock-in-warn', variant: 'exit', breaks: ['sld.bus-locks-paid'] },
  { mutant: 'kvm-bus-lock-off', scenario: 'sld-bus-lock-in-warn', variant: 'exit-no-mitigate', breaks: ['sld.bus-locks-paid'] },
  { mutant: 'sld-no-down', scenario: 'sld-sysctl-flip', variant: 'once', breaks: ['sld.buslock-sem-kept'] },
  {
    mutant: 'sld-no-semaphore',
    scenario: 'sld-one-work-item',
    variant: 'gen2-global-mitigate',
    breaks: ['sld.detection-returns', 'sld.one-core-at-a-time'],
  },
  { mutant: 'sld-user-wrmsr', scenario: 'sld-guest-test-ctrl', variant: 'warn', breaks: ['sld.invalid-write-faults', 'sld.write-is-kept'] },
  { mutant: 'sld-inject-never', scenario: 'sld-guest-split-lock', variant: 'fatal-v10', breaks: ['sld.vmm-killed'] },
];
