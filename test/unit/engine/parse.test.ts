import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseDevices, parseFlags, parseVersion } from '../../../src/engine/parse.ts';

type Capture<T> = { source: string; tool: string; text: string; expect: T };
type Captures = {
  versions: Capture<ReturnType<typeof parseVersion>>[];
  devices: Capture<ReturnType<typeof parseDevices>>[];
};

const captures = parse(
  readFileSync(new URL('../../fixtures/engine/captures.yaml', import.meta.url), 'utf8'),
) as Captures;

describe('parseVersion', () => {
  it.each(captures.versions)('reads $tool ($source)', ({ text, expect: expected }) => {
    expect(parseVersion(text)).toEqual(expected);
  });

  it('takes a build without git history as unknown', () => {
    expect(parseVersion('version: 0 (unknown)\n')).toEqual({ version: null, build: null });
    expect(parseVersion('version: 0.7.0 (build 0, commit unknown)\n')).toEqual({
      version: '0.7.0',
      build: null,
    });
  });

  it.each(['ls (GNU coreutils) 9.1', 'Python 3.11.2', '', 'version: 1.2.3', 'my version: 12 (x)'])(
    'does not take %j for llama.cpp',
    (text) => {
      expect(parseVersion(text)).toBeNull();
    },
  );
});

describe('parseDevices', () => {
  it.each(captures.devices)('reads $tool ($source)', ({ text, expect: expected }) => {
    expect(parseDevices(text)).toEqual(expected);
  });

  it('keeps the bracket that belongs to a name', () => {
    const text =
      'Available devices:\n  Vulkan0: AMD Radeon RX 7900 XTX (RADV NAVI31) (24560 MiB, 24000 MiB free)';
    expect(parseDevices(text)).toEqual([
      { id: 'Vulkan0', name: 'AMD Radeon RX 7900 XTX (RADV NAVI31)', totalMib: 24560 },
    ]);
  });
});

describe('parseFlags', () => {
  const help = [
    '----- common params -----',
    '',
    '-h,    --help, --usage                  print usage and exit',
    '-kvu,  --kv-unified, -no-kvu, --no-kv-unified',
    '                                        use single unified KV buffer, see --parallel',
    '--mmproj-offload, --no-mmproj-offload   whether to offload (see --mmproj)',
    '-hf,   -hfr, --hf-repo <user>/<model>[:quant]',
    '                                        repository',
    '--fim-qwen-1.5b-default                 use default model',
    '--draft, --draft-n, --draft-max N       the argument has been removed. use --spec-draft-n-max',
    '-c,    --ctx-size N                     size of the prompt context, overrides --keep',
  ].join('\n');

  it('reads aliases and negations, and nothing from descriptions or headings', () => {
    expect(parseFlags(help)).toEqual(
      [
        ...['-h', '--help', '--usage', '-kvu', '--kv-unified', '-no-kvu', '--no-kv-unified'],
        ...['--mmproj-offload', '--no-mmproj-offload', '-hf', '-hfr', '--hf-repo'],
        ...['--fim-qwen-1.5b-default', '-c', '--ctx-size'],
      ].sort(),
    );
  });
});
