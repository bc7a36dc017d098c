/** Folders for results: made with all that is above them, or refused; never waited for. */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeFolder } from '../../cli/folder.ts';

const root = mkdtempSync(join(tmpdir(), 'worldswitch-folder-'));
afterAll(() => rmSync(root, { recursive: true }));

describe('a folder', () => {
  it('is made with all above it, and once is enough', () => {
    const deep = join(root, 'a', 'b', 'c');
    makeFolder(deep, 'deep');
    makeFolder(deep, 'deep');
    expect(statSync(deep).isDirectory()).toBe(true);
  });

  it('is refused where a file stands', () => {
    writeFileSync(join(root, 'file'), '');
    expect(() => makeFolder(join(root, 'file'), 'file')).toThrow('cannot write file: a file stands there');
    expect(() => makeFolder(join(root, 'file', 'below'), 'below')).toThrow(
      /cannot write below: a (?:file stands there|part of the path is a file)/,
    );
  });

  it.runIf(existsSync('/proc/self'))('is refused at once by a file system that takes no folders', () => {
    expect(() => makeFolder('/proc/worldswitch/below', '/proc')).toThrow('cannot write /proc: ');
  });
});
