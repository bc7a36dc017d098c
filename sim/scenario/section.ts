/**
 * What a mechanism adds to the grammar of scenarios: sections, which are keys of a file, and
 * settings of VMs.
 */
import type { z } from 'zod';
import type { Scenario, VmSource } from './types.ts';

/**
 * A key of a scenario file. Its types stand in `ScenarioSections` and `ResolvedSections`.
 * @public
 */
export interface Section<Written = unknown, Resolved = unknown> {
  /** One line, which the JSON Schema shows. */
  readonly description: string;
  /** The value in a file. */
  readonly written: z.ZodType<Written>;
  /**
   * The value in a run and in its journal. A journal may say anything, so the schema bounds every
   * list and text.
   */
  readonly resolved: z.ZodType<Resolved>;
  /**
   * Makes the resolved value of the written one. It is called before `checks()`, so the scenario
   * may hold mistakes that only they find.
   * @param written undefined if the file has no such key
   * @returns plain JSON that `resolved` takes; undefined if a run has nothing of it
   */
  resolve(written: Written | undefined, scenario: Scenario): Resolved | undefined;
}

/** A key in `options` of a VM. Its type stands in `VmSettings`. @public */
export interface VmSetting<Value = unknown> {
  /**
   * Plain JSON, in a file and in a journal. It bounds every list and text, and `describe()` of it
   * is what the JSON Schema shows.
   */
  readonly schema: z.ZodType<Value>;
  /**
   * What a VM has that does not say. Without a default such a VM lacks the setting.
   * @param place of the VM in `vms`, from 1
   */
  default?(place: number, vm: VmSource): Value;
}
