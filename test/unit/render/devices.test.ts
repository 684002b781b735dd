import { expect, it } from 'vitest';
import { deviceIds, visibleOnHost } from '../../../src/render/parts/devices.ts';
import { MACHINES, planFor, rendered } from '../../helpers/deployments.ts';

it('cards are named by UUID beside MIG instances: our numbers count those, the driver’s do not', async () => {
  const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: MACHINES['one NVIDIA card'] });
  const { deployment } = await rendered(plan, ['compose']);
  const [card] = deployment.gpus;
  if (card === undefined) throw new Error('the plan uses no card');
  const whole = { ...card, id: 'gpu2', uuid: 'GPU-2' };
  const cut = { ...card, mig: { parentUuid: null, profile: '1g.5gb' }, uuid: 'MIG-0' };
  const machine = { ...deployment.plan.machine, gpus: [cut, { ...cut, id: 'gpu1' }, whole] };
  const beside = { ...deployment, gpus: [whole], plan: { ...deployment.plan, machine } };
  expect(deviceIds(deployment)).toEqual(['0']);
  expect(deviceIds(beside)).toEqual(['GPU-2']);
  expect(visibleOnHost(beside)).toHaveProperty('CUDA_VISIBLE_DEVICES', 'GPU-2');
});

it('a machine that was looked at may have more cards than it showed: the engine is kept to the plan’s', async () => {
  const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: MACHINES['one NVIDIA card'] });
  const { deployment } = await rendered(plan, ['compose']);
  expect(visibleOnHost(deployment)).toEqual({});
  const gpus = plan.machine.gpus.map((gpu) => ({ ...gpu, id: 'gpu1' }));
  const detected = { ...plan, machine: { ...plan.machine, origin: 'detected', gpus } };
  expect(visibleOnHost({ ...deployment, gpus, plan: detected })).toEqual({
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
    CUDA_VISIBLE_DEVICES: '1',
  });
});
