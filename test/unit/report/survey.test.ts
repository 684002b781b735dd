import { expect, test } from 'vitest';
import { mmdeploy } from '../../helpers/cli.ts';
import { PLAIN } from '../../../src/report/palette.ts';
import { surveyText } from '../../../src/report/survey.ts';
import type { Survey } from '../../../src/contracts/plan.ts';

test('a model that does not fit: what is missing has one minus sign', async () => {
  const { stdout } = await mmdeploy(['plan', '--gpu', '24GiB', '-o', 'json']);
  const survey = JSON.parse(stdout) as Survey;
  const [first] = survey.candidates.filter(({ verdict }) => verdict === 'fits');
  if (first === undefined) throw new Error('nothing fits 24 GiB');
  const [device] = first.memory.devices;
  if (device === undefined) throw new Error('a plan without a device');
  const short = { ...device, freeBytes: device.peakBytes - 1024 ** 3 };
  const candidate = { ...first, memory: { devices: [short] } };
  const view = { palette: PLAIN, boxes: false, quiet: true, explain: false } as const;
  const text = surveyText({ ...survey, candidates: [candidate] }, view);
  expect(text).toMatch(/ -1\.00 GiB /);
  expect(text).not.toContain('--');
});
