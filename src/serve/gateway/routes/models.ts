import type { FastifyInstance } from 'fastify';
import { basename } from 'node:path';
import { awaitEngine, callEngine } from '../engine-call.ts';
import { sendAnswer } from '../forward.ts';
import { asArray, fieldOf, parseObject, type Json } from '../json.ts';
import type { ForwardDeps } from './forwarded.ts';

/** `GET /v1/models` in OpenAI's form: the engine's model, without the paths of its files. */
export function registerModels(app: FastifyInstance, { source, clientOf }: ForwardDeps): void {
  app.get('/v1/models', async (request, reply) => {
    const upstream = { path: '/v1/models', method: 'GET', body: null } as const;
    const { signal } = clientOf(request, reply);
    const answer = await callEngine(source, await awaitEngine(source, signal), upstream, signal);
    if (answer.kind !== 'whole' || answer.status !== 200) return sendAnswer(reply, answer);
    return publicModels(parseObject(answer.bytes));
  });
}

/**
 * What clients may know of llama-server's list: names without folders, what the model takes in and
 * gives out, and its context for one request in tokens. llama-server names a model by the path of its
 * file unless it was given an alias, and adds a second list in Ollama's form that is left out.
 */
export function publicModels(list: Json): Json {
  return {
    object: 'list',
    data: asArray(list['data']).map((model) => ({
      id: nameOf(fieldOf(model, 'id')),
      object: 'model',
      created: numberOr(fieldOf(model, 'created'), 0),
      owned_by: 'mmdeploy',
      architecture: {
        input_modalities: modalities(model, 'input_modalities'),
        output_modalities: modalities(model, 'output_modalities'),
      },
      context_length: numberOr(fieldOf(fieldOf(model, 'meta'), 'n_ctx'), null),
    })),
  };
}

function nameOf(id: unknown): string {
  return typeof id === 'string' ? basename(id.replaceAll('\\', '/'), '.gguf') : 'model';
}

function modalities(model: unknown, name: string): readonly unknown[] {
  const told = asArray(fieldOf(fieldOf(model, 'architecture'), name));
  // Films are cut into images in front of the engine, which has its own reading of them.
  return told.length === 0 ? ['text'] : told.filter((each) => each !== 'video');
}

function numberOr<Other>(value: unknown, other: Other): number | Other {
  return typeof value === 'number' ? value : other;
}
