/** Changes of one line of what the driver does about a command that goes wrong. */
import { emit, enqueueActions } from 'xstate';
import { hasStep, type PathPatch, replaceStep } from '../../../actors/path/patch.ts';
import { releaseBuffer } from '../../../actors/sev-snp/command-buffers.ts';
import type { SevDeviceContext } from '../../../actors/sev-snp/sev-device.ts';
import { outgoing, type Stamped, sender } from '../../../events/event.ts';
import type { Mutant } from '../../host/mechanism.ts';
import { provided } from './provided.ts';

/** Patches of a path that scenarios have in several forms. */
const where =
  (name: string, patch: PathPatch): PathPatch =>
  (path) =>
    hasStep(path, name) ? patch(path) : path;
const alter = (name: string, effect: object): PathPatch =>
  where(name, (path) => replaceStep(path, name, (item) => [{ ...item, ...effect } as typeof item]));

const LOCKED = '__sev_do_cmd_locked';

export const MAILBOX_MUTANTS: Readonly<Record<string, Mutant>> = {
  'sev-dead-ignored': {
    summary: 'A command is written to a PSP that the driver has given up.',
    paths: { [LOCKED]: [alter('psp_dead', { answers: { 'sev.dead': () => ({ pspDead: false }) } })] },
  },
  'sev-no-timeout': provided('sevDevice', 'The wait for a command has no end.', { guards: { canExpire: () => false } }),
  'sev-expired-first': provided('sevDevice', 'A command whose interrupt came with the time-out is given up all the same.', {
    guards: { isReceived: ({ context: c }: { readonly context: SevDeviceContext }) => c.rcvd && c.expired !== true },
  }),
  'sev-dead-forgotten': {
    summary: 'The driver tells of a time-out, and does not take the PSP for dead.',
    paths: { [LOCKED]: [alter('dev_err_disabling_PSP', { send: undefined })] },
  },
  'sev-one-buffer': provided('sevDevice', 'There is no backup of the command buffer.', {
    actions: {
      claim: enqueueActions(
        ({
          context: { buffers },
          event,
          enqueue,
        }: {
          readonly context: SevDeviceContext;
          readonly event: Stamped<{ readonly type: string }>;
          readonly enqueue: { assign(change: object): void; emit(message: object): void };
        }) => {
          const { pfn, active } = buffers!;
          enqueue.emit(outgoing(sender(event), { type: 'sev.claimed', pfn: active[0] ? null : pfn }));
          enqueue.assign({ buffers: { pfn, active: [true, false] } });
        },
      ),
    },
  }),
  'sev-buffer-freed-unreclaimed': {
    summary: 'The command buffer is free again although the firmware has not given it back.',
    paths: {
      [LOCKED]: [
        where('dev_err_reclaim', (path) =>
          replaceStep(path, 'dev_err_reclaim', (item) => [item, releaseBuffer('cmd_buf_inactive_after_error') as unknown as typeof item]),
        ),
      ],
    },
  },
  'sev-buffer-not-lent': {
    summary: 'The command buffer of a command that writes it is not made a page of the firmware.',
    paths: {
      [LOCKED]: [
        where('rmp_mark_pages_firmware', (path) =>
          replaceStep(path, 'rmp_mark_pages_firmware', () => [
            { kind: 'note', local: () => ({ result: 'SUCCESS' }) } as unknown as (typeof path.items)[number],
          ]),
        ),
      ],
    },
  },
  'sev-buffers-not-unmapped': {
    summary: 'Bounce buffers are freed, and not reclaimed.',
    paths: {
      snp_unmap_cmd_buf_desc_list: [
        where('snp_reclaim_pages', (path) =>
          replaceStep(path, 'snp_reclaim_pages', () => [
            { kind: 'step', name: '__free_pages', local: () => ({ result: 'SUCCESS' }) } as unknown as (typeof path.items)[number],
          ]),
        ),
      ],
    },
  },
  'snp-panic-ignores-mutex': {
    summary: 'The panic notifier shuts the firmware down while a thread has the mailbox.',
    paths: { snp_shutdown_on_panic: [alter('mutex_is_locked', { answers: { 'mutex.owned': () => ({ granted: true }) } })] },
  },
  'psp-polled-interrupts': provided('psp', 'A command that asked for no interrupt has one.', {
    actions: {
      interrupt: emit(() => outgoing('pcpu:0', { type: 'irq.psp' })),
    },
  }),
};
