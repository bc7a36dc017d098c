/** What a launch adds to a scenario file: VMs that do not exist when the run begins. */
import { z } from 'zod';
import type { VmSetting } from '../../scenario/section.ts';

const launched: VmSetting<boolean> = {
  schema: z
    .boolean({ error: 'expected true or false' })
    .describe('False: the VM does not exist when the run begins, and threads create and launch it. Default true.'),
};

export const LAUNCH_SETTINGS = { launched };

export const isInRun = ({ settings }: { readonly settings?: object }): boolean =>
  (settings as { readonly launched?: boolean } | undefined)?.launched === false;
