/** The name and version of this program. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../api/shipped-scenarios.ts';
import { FORMAT_VERSION } from '../events/journal.ts';
import { MODEL_ID } from '../sim/model-id.ts';
import { MODEL_VERSION } from '../sim/model-version.ts';

export const VERSION_FLAGS: readonly string[] = ['--version', '-V'];

export const versionText = (): string =>
  (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { readonly version: string }).version;

export const versionDocument = () => ({
  version: versionText(),
  modelVersion: MODEL_VERSION,
  modelId: MODEL_ID,
  journalFormat: FORMAT_VERSION,
  node: process.versions.node,
});
