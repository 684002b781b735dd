import type { EngineName } from '../contracts/basis.ts';
import { MmdeployError } from '../errors.ts';
import type { CountedModel } from '../estimate/count.ts';
import { knowWrappers } from '../estimate/rehearsal.ts';
import { defaultEngine } from '../profiles/describe.ts';
import type { Profile } from '../profiles/layers.ts';
import type { Context } from './context.ts';
import type { EstimateRequest } from './estimate-request.ts';
import type { LoadedModel } from './model.ts';
import { loadModel } from './model.ts';
import type { TextSide } from './text-side.ts';
import { textSideOf } from './text-side.ts';
import { withKnownPrice } from './unknown-model.ts';

/** Every model that was asked for, on the engine whose rule counts. Throws `usage.invalid` without any. */
export async function resolveModels(
  request: EstimateRequest,
  ctx: Context,
): Promise<{ models: CountedModel[]; warnings: string[] }> {
  const names = request.models.flatMap((name) => name.split(',')).map((name) => name.trim());
  const wanted = [...new Set(names.filter((name) => name !== ''))];
  if (wanted.length === 0) {
    throw new MmdeployError('usage.invalid', 'no model to estimate for (--model)', {
      hints: [
        'name one or more: `mmdeploy estimate photos/ --model gpt-4o,qwen2.5-vl-7b`',
        'list every model with `mmdeploy models`',
      ],
    });
  }
  if (request.tokenizer !== null && wanted.length > 1) {
    throw new MmdeployError(
      'usage.invalid',
      `\`--tokenizer ${request.tokenizer}\` is of one model, and ${wanted.length} are named`,
      { hints: [`\`mmdeploy estimate --model ${wanted[0] ?? ''} --tokenizer FILE\``] },
    );
  }
  const models: CountedModel[] = [];
  const warnings = new Set<string>();
  for (const name of wanted) {
    const { profilesDir } = request;
    // Among several models the projector is that of the GGUF file.
    const mmproj = wanted.length > 1 && !name.endsWith('.gguf') ? null : request.mmproj;
    const asked = { name, mmproj, profilesDir, asOf: request.asOf };
    const loaded = await loadModel(asked, ctx).catch(async (error: unknown) => {
      throw await withKnownPrice(error, name, ctx.now());
    });
    for (const warning of loaded.warnings) warnings.add(warning);
    for (const engine of enginesOf(loaded, request)) {
      const { model, unsupported } = await countedModel(loaded, { ...request, name, engine }, ctx);
      if (unsupported !== undefined) warnings.add(approximated(model.id, unsupported));
      if (!models.some(({ id, engine: known }) => id === model.id && known === model.engine)) {
        models.push(model);
      }
    }
  }
  return { models, warnings: [...warnings] };
}

/** Side by side, a model is counted on every engine that runs it. */
function enginesOf({ profile }: LoadedModel, request: EstimateRequest) {
  const all = request.checks?.compare === true && request.engine === 'auto';
  return all && profile !== null ? profile.engines : [request.engine];
}

async function countedModel(
  loaded: LoadedModel,
  asked: Pick<EstimateRequest, 'engine' | 'tokenizer'> & { readonly name: string },
  ctx: Context,
): Promise<{ readonly model: CountedModel; readonly unsupported: TextSide['unsupported'] }> {
  const { source, profile, headers } = loaded;
  const engine =
    profile === null ? engineOfGguf(asked.name, asked.engine) : engineFor(profile, asked.engine);
  const { tokenizer } = asked;
  const { unsupported, ...text } = await textSideOf(loaded, { tokenizer, engine }, ctx);
  const { id } = source.model;
  const description = source.model;
  const model = { id, engine, description, ...text, files: filesOf(headers) };
  await knowWrappers(model);
  return { model, unsupported };
}

function approximated(id: string, { kind, why }: NonNullable<TextSide['unsupported']>): string {
  return `text of ${id} is a range: its vocabulary (${kind}) is counted by the engine alone: ${why}`;
}

function filesOf(headers: LoadedModel['headers']) {
  if (headers === null || headers.mmproj === null) return null;
  return { model: headers.model.path, mmproj: headers.mmproj.path };
}

/** A model of an API has that one engine, so `--engine` speaks of the self-hosted ones only. */
function engineFor(profile: Profile, engine: EstimateRequest['engine']): EngineName {
  const hosted = profile.engines.every((each) => each === 'api');
  if (engine === 'auto' || hosted) return defaultEngine(profile);
  if (profile.engines.includes(engine)) return engine;
  throw new MmdeployError('usage.invalid', `\`${profile.id}\` does not run on ${engine}`, {
    details: profile.notes === undefined ? [] : [profile.notes],
    hints: profile.engines.map(
      (each) => `\`mmdeploy estimate --model ${profile.id} --engine ${each}\``,
    ),
  });
}

function engineOfGguf(path: string, engine: EstimateRequest['engine']): EngineName {
  if (engine === 'auto' || engine === 'llama.cpp') return 'llama.cpp';
  throw new MmdeployError('usage.invalid', `a GGUF file runs on llama.cpp, not on ${engine}`, {
    hints: [`leave the engine out: \`mmdeploy estimate --model ${path}\``],
  });
}
