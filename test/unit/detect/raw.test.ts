import { describe, expect, test } from 'vitest';
import { masker } from '../../../src/detect/mask.ts';
import { parseLog } from '../../../src/detect/probes/nvidia-log.ts';
import { captureCommands, captureRaw } from '../../../src/detect/raw.ts';
import { parseXml } from '../../../src/detect/xml.ts';
import { fakeHost, fixture, ran } from './support.ts';

const identity = {
  users: ['marie', 'root'],
  hosts: ['gpubox7.example.org', 'gpubox7'],
  homes: ['/home/marie'],
};
const mask = masker(identity);

describe('mask', () => {
  test.each([
    ['/home/marie/models and marie@gpubox7', '/home/USER/models and USER@HOST'],
    ['MARIE on gpubox7.example.org', 'USER on HOST'],
    ['marienkäfer, rosemarie and gpubox71 stay', 'marienkäfer, rosemarie and gpubox71 stay'],
    ['root stays', 'root stays'],
    ['<serial>1324321002473</serial>', '<serial>MASKED</serial>'],
    ['<serial>N/A</serial>', '<serial>N/A</serial>'],
    ['Serial Number : 0324217004816', 'Serial Number : MASKED'],
    ['"asic_serial": "0x4162405E51BB99B0",', '"asic_serial": "MASKED",'],
    ['"Unique ID": "0x79ccd55167a2124a"', '"Unique ID": "MASKED"'],
    ['"serial_number" : "C02XYZ"', '"serial_number" : "MASKED"'],
    ['<pdi>0x123456789a0bcdef</pdi>', '<pdi>MASKED</pdi>'],
  ])('%s', (text, expected) => expect(mask(text)).toBe(expected));

  test('two devices stay two devices, and the masked log still parses the same', () => {
    const text = fixture('two-gpus-rtx2070.nvidia-smi.xml');
    const masked = mask(text);
    expect(masked).not.toContain('0123456789ab');
    const gpusOf = (xml: string) => parseLog(parseXml(xml, 'nvidia_smi_log'), [], 'x')?.gpus ?? [];
    expect(new Set(gpusOf(masked).map((gpu) => gpu.uuid)).size).toBe(2);
    const rest = (xml: string) => gpusOf(xml).map((gpu) => ({ ...gpu, uuid: '' }));
    expect(rest(masked)).toEqual(rest(text));
  });
});

describe('doctor --raw', () => {
  test('frames what each tool printed, word for word', async () => {
    const text = fixture('broken-driver.nvidia-smi.txt');
    const raw = await captureRaw(
      fakeHost({ 'nvidia-smi -q -x': ran(text, { code: 9 }), 'nvidia-smi': ran('', { code: 9 }) }),
      identity,
    );
    expect(raw).toContain(
      `=== nvidia-smi -q -x\n(nvidia-smi, exit code 9)\n--- stdout\n${text}--- stderr: empty\n`,
    );
    expect(raw).toContain('=== rocm-smi');
    expect(raw).toContain('(not found)');
  });

  test('asks the tools of the platform', () => {
    const tools = (platform: NodeJS.Platform) =>
      captureCommands(fakeHost({}, { platform })).map(({ tool }) => tool);
    expect(tools('linux')).toEqual(expect.arrayContaining(['nvidia-smi', 'amd-smi', 'xpu-smi']));
    expect(tools('darwin')).toEqual(expect.arrayContaining(['system_profiler', 'sysctl']));
    expect(tools('darwin')).not.toContain('amd-smi');
  });
});
