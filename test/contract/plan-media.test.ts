import { describe, expect, it } from 'vitest';
import { planSchema, surveySchema } from '../../src/contracts/plan.ts';
import { mmdeploy } from '../helpers/cli.ts';

const GPU = ['--gpu', '24GiB', '-o', 'json'];

describe('plan with sound and video', () => {
  it('holds the clips of every user', async () => {
    const workload = ['--audio', '60s*2', '--users', '2', '--text', '100'];
    const { stdout } = await mmdeploy(['plan', 'qwen2-audio-7b', ...workload, ...GPU]);
    const plan = planSchema.parse(JSON.parse(stdout));
    expect(plan.settings).toMatchObject({ slots: 2 });
    expect(plan.settings?.contextPerSlot).toBeGreaterThanOrEqual(2 * 2252 + 100);
    expect(plan.reasons).toContain('2 x 60 s of audio: 2252 tokens as llama.cpp counts');
    expect(plan.model.modalities).toEqual(['text', 'audio']);
  });

  it('states the rate of a video', async () => {
    const video = ['--video', '10s@1280x720'];
    const { stdout } = await mmdeploy(['plan', 'qwen2.5-vl-7b', ...video, ...GPU]);
    const { reasons, settings } = planSchema.parse(JSON.parse(stdout));
    expect(reasons.join('\n')).toMatch(/40 frames at 4 a second .* joined to 21 pictures/);
    expect(settings?.contextPerSlot).toBeGreaterThanOrEqual(25_158);
  });

  it('refuses a model without ears and names some that have them', async () => {
    const { code, stderr } = await mmdeploy(['plan', 'qwen2.5-vl-7b', '--audio', '30s', ...GPU]);
    expect(code).toBe(2);
    expect(stderr).toContain('`qwen2.5-vl-7b` does not hear');
    expect(stderr).toContain('qwen2-audio-7b');
  });

  it('surveys only what can take the workload', async () => {
    const { stdout } = await mmdeploy(['plan', '--audio', '30s', ...GPU]);
    const { candidates } = surveySchema.parse(JSON.parse(stdout));
    expect(candidates.map(({ model }) => model.id)).toContain('voxtral-mini-3b');
    expect(candidates.every(({ model }) => model.modalities.includes('audio'))).toBe(true);
  });

  it.each([
    ['--audio', '30'],
    ['--audio', '0s'],
    ['--audio', '30s*0'],
    ['--audio', '-3s'],
    ['--audio', '25h'],
    ['--video', '10s'],
    ['--video', '10s@1280'],
    ['--video', '10@1280x720'],
    ['--video', '10s@0x720'],
  ])('refuses %s %s', async (flag, value) => {
    const { code, stderr } = await mmdeploy(['plan', 'qwen2.5-omni-7b', `${flag}=${value}`]);
    expect(code).toBe(2);
    expect(stderr).toContain(`\`${flag} ${value}\` is not`);
  });
});
