import { resolve } from 'node:path';
import type { Context } from './context.ts';
import type { EstimateRequest } from './estimate-request.ts';
import { readPlan } from './plan-file.ts';

/**
 * The request with the settings that the engine of a plan is started with, where no flag says otherwise,
 * and with its model where none was named. Throws `file.missing` and `plan.invalid` as `readPlan` does.
 */
export async function withPlan(
  request: EstimateRequest,
  file: string,
  ctx: Context,
): Promise<EstimateRequest> {
  const { model, files, settings, engine } = await readPlan(resolve(ctx.cwd, file));
  const own = files.model?.path ?? model.id;
  const mmproj = files.model?.path == null ? null : (files.mmproj?.path ?? null);
  return {
    ...request,
    models: request.models.length > 0 ? request.models : [own],
    mmproj: request.mmproj ?? (request.models.length > 0 ? null : mmproj),
    engine: request.engine === 'auto' && engine !== null ? engine.name : request.engine,
    imageMaxTokens: request.imageMaxTokens ?? settings?.imageMaxTokens ?? null,
    ubatch: request.ubatch ?? settings?.ubatch ?? null,
  };
}
