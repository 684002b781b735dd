import { join } from 'node:path';
import type { AskResult } from '../contracts/ask.ts';
import type { Estimate } from '../contracts/estimate.ts';
import type { DeploymentPlan } from '../contracts/plan.ts';
import type { DemoImage } from '../demo/images.ts';
import { writeDemoImages } from '../demo/images.ts';
import { writeDemoModel } from '../demo/model.ts';
import { MmdeployError } from '../errors.ts';
import { readGgufHeader } from '../gguf/read-file.ts';
import { promptTextTokens } from '../tokens/text/chat.ts';
import { vocabularyOf } from '../tokens/text/vocabulary.ts';
import { askWorkflow } from './ask.ts';
import type { Context } from './context.ts';
import { withDemoServer } from './demo-server.ts';
import { ensureEngine } from './engine-install.ts';
import { NOTHING_ASKED } from './estimate-request.ts';
import { estimateWorkflow } from './estimate.ts';
import { demoPlan } from './serve-model.ts';

/** What the tour tells as it goes; the CLI prints it. */
export type DemoSteps = {
  readonly machine: (plan: DeploymentPlan) => void;
  readonly model: (files: { model: string; mmproj: string }, plan: DeploymentPlan) => void;
  readonly estimated: (estimate: Estimate, images: readonly DemoImage[]) => void;
  readonly engine: (path: string, version: string) => void;
  readonly serving: (url: string) => void;
  readonly question: (question: string, images: readonly string[]) => void;
  readonly answer: (text: string) => void;
};

export type DemoResult = {
  /** Prompt tokens counted before the engine was asked. */
  readonly estimated: { readonly text: number; readonly image: number; readonly total: number };
  readonly billed: number | null;
  readonly ask: AskResult;
};

const QUESTION = 'What is in these pictures?';

/**
 * The whole tour on real parts: detect, plan, estimate, serve, ask about the images, compare. The
 * estimate is made from the model's files alone, before the engine runs.
 * Throws `demo.mismatch` when the engine bills another number of prompt tokens.
 */
export async function demoWorkflow(
  ctx: Context,
  steps: DemoSteps,
  force: AbortSignal,
): Promise<DemoResult> {
  const files = await writeDemoModel(join(ctx.folders.cache, 'demo'));
  const plan = await demoPlan([], ctx);
  steps.machine(plan);
  steps.model(files, plan);
  const images = await writeDemoImages(join(ctx.folders.cache, 'demo', 'images'));
  const estimate = await estimateImages(files, images, ctx);
  steps.estimated(estimate, images);
  const asked = images.map(({ path }) => path);
  const expected = expectedTokens(files.model, estimate, asked);
  const { engine } = await ensureEngine(ctx, { flag: null, gpus: plan.machine.gpus });
  steps.engine(engine.path, `${engine.version ?? '?'} (build ${engine.build ?? '?'})`);
  const ask = await withDemoServer(ctx, force, async ({ url }) => {
    steps.serving(url);
    steps.question(QUESTION, asked);
    const request = { question: QUESTION, images: asked, url, maxTokens: 32, apiKey: null };
    return askWorkflow({ ...request, stream: true }, ctx, steps.answer);
  });
  if (ask.billed !== expected.total) throw mismatch(expected.total, ask.billed);
  return { estimated: expected, billed: ask.billed, ask };
}

function estimateImages(
  files: { model: string; mmproj: string },
  images: readonly DemoImage[],
  ctx: Context,
): Promise<Estimate> {
  return estimateWorkflow(
    {
      ...NOTHING_ASKED,
      paths: images.map(({ path }) => path),
      ...{ models: [files.model], mmproj: files.mmproj, items: true },
    },
    ctx,
  );
}

/** Text and template by the model's own vocabulary, images by the model's own rule. */
function expectedTokens(
  modelPath: string,
  estimate: Estimate,
  asked: readonly string[],
): DemoResult['estimated'] {
  const header = readGgufHeader(modelPath);
  const vocabulary = vocabularyOf(header.metadata);
  const template = header.get('tokenizer.chat_template');
  if (vocabulary.kind !== 'vocabulary') throw new Error('the demo model has no known vocabulary');
  const content = [
    ...asked.map((path) => ({ type: 'image_url', image_url: { url: path } })),
    { type: 'text', text: QUESTION },
  ];
  const counted = promptTextTokens(
    [{ role: 'user', content }],
    typeof template === 'string' ? template : null,
    vocabulary,
  );
  if (counted.kind !== 'exact') throw new Error(`demo text not counted: ${counted.kind}`);
  const image = asked.reduce((total, path) => total + imageTokens(estimate, path), 0);
  return { text: counted.tokens, image, total: counted.tokens + image };
}

function imageTokens(estimate: Estimate, path: string): number {
  const item = estimate.models[0]?.items.find(({ input }) => path.endsWith(input));
  const tokens = item?.tokens ?? null;
  if (tokens === null) throw new Error(`no estimate for ${path}`);
  return tokens;
}

function mismatch(estimated: number, billed: number | null): MmdeployError {
  return new MmdeployError(
    'demo.mismatch',
    `estimated ${estimated} prompt tokens, but the engine billed ${billed ?? 'none'}`,
    {
      hints: [
        'this is a bug of mmdeploy or of a new engine: `mmdeploy engine list` tells its build',
      ],
    },
  );
}
