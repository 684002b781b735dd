import { describe, expect, test } from 'vitest';
import { parseList, parseLog } from '../../../src/detect/probes/nvidia-log.ts';
import { visibleGpus } from '../../../src/detect/visible.ts';
import { parseXml } from '../../../src/detect/xml.ts';
import { fixture } from './support.ts';

const gpusOf = (name: string, list = '') =>
  parseLog(parseXml(fixture(name), 'nvidia_smi_log'), parseList(list), 'x')?.gpus ?? [];
const two = gpusOf('two-gpus-rtx2070.nvidia-smi.xml');
const mig = gpusOf('mig-a100.nvidia-smi.xml', fixture('mig-a100.nvidia-smi-list.constructed.txt'));
const left = (value: string | undefined, gpus = two) =>
  visibleGpus(gpus, 'CUDA_VISIBLE_DEVICES', value).gpus;
const places = (value: string | undefined, gpus = two) =>
  left(value, gpus).map(({ uuid }) => gpus.findIndex((gpu) => gpu.uuid === uuid));

describe('CUDA_VISIBLE_DEVICES', () => {
  test.each([
    [undefined, [0, 1]],
    ['', []],
    ['-1', []],
    ['NoDevFiles', []],
    ['1', [1]],
    ['1,0', [1, 0]],
    ['1, 0', [1, 0]],
    ['0,-1,1', [0]],
    ['0,7,1', [0]],
    ['0,0,1', [0]],
    ['GPU-12345678-aaaa-bbbb-cccc-0123456789cd', [1]],
    ['GPU-12345678-aaaa-bbbb-cccc-0123456789a', [0]],
  ])('%s leaves %s', (value, expected) => expect(places(value)).toEqual(expected));

  test('MIG instances by UUID; an index means the first instance of that board', () => {
    expect(places('MIG-90155500-9a09-5016-9746-95ef09bd78a6', mig)).toEqual([1]);
    expect(places('0', mig)).toEqual([0]);
    expect(places('1', mig)).toEqual([]);
  });

  test('each keeps the number of its board', () => {
    expect(left('1').map(({ number }) => number)).toEqual([1]);
    expect(left('1,0').map(({ number }) => number)).toEqual([1, 0]);
    expect(left('MIG-90155500-9a09-5016-9746-95ef09bd78a6', mig)).toMatchObject([{ number: 0 }]);
  });

  test('a notice says what is hidden and how to see it', () => {
    const { warnings } = visibleGpus(two, 'CUDA_VISIBLE_DEVICES', '1');
    expect(warnings).toEqual([
      'CUDA_VISIBLE_DEVICES="1" is set: 1 of 2 GPUs used; `unset CUDA_VISIBLE_DEVICES` for all',
    ]);
    expect(visibleGpus(two, 'CUDA_VISIBLE_DEVICES', undefined).warnings).toEqual([]);
  });
});
