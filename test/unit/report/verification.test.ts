import { expect, it } from 'vitest';
import { PLAIN } from '../../../src/report/palette.ts';
import { verificationText } from '../../../src/report/verification.ts';
import { GIB, MIB } from '../../../src/units.ts';

it('shows each part, its difference, and what driver and system say', () => {
  const text = verificationText(
    {
      engine: { path: '/bin/llama-server', build: 1 },
      devices: [
        {
          id: 'gpu0',
          parts: [
            { part: 'weights', plannedBytes: 100 * MIB, measuredBytes: 100 * MIB },
            { part: 'compute', plannedBytes: 10 * MIB, measuredBytes: 12.5 * MIB },
          ],
          driverBytes: 2 * GIB,
        },
      ],
      residentBytes: GIB,
      calibrationFile: '/state/a.json',
    },
    { palette: PLAIN, boxes: false, quiet: false, explain: false },
  );
  expect(text.split('\n').map((line) => line.replace(/\s+/g, ' '))).toEqual([
    'measured, MiB planned measured difference',
    'gpu0 weights 100.00 100.00 0.00',
    'gpu0 compute 10.00 12.50 +2.50',
    '',
    "gpu0: 2.00 GiB in use by the driver's count",
    'host: 1.00 GiB resident, mapped files included',
    'kept in /state/a.json',
  ]);
});
