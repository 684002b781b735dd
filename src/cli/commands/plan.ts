import type { Command } from 'commander';
import { EXIT_CODES, MmdeployError } from '../../errors.ts';
import type { DeploymentPlan } from '../../contracts/plan.ts';
import { scaleOutFor } from '../../render/scaled-plan.ts';
import type { Registrar, Shell } from '../shell.ts';
import type { PlanOptions } from '../requests/plan.ts';
import type { EnginePlan } from '../../workflows/simulate.ts';
import type { PlanRequest } from '../../workflows/plan.ts';
import { TARGET_NAMES } from '../../render/target-names.ts';
import { addMachineOptions, addModelOptions, addSettingOptions } from './plan-options.ts';

/** `mmdeploy plan [MODEL]`. */
export function registerPlan({ begin, action }: Registrar): void {
  const command = begin('plan')
    .description(
      'Says to the megabyte what a model needs on each device and how to start it.\n' +
        'MODEL is a profile id (`mmdeploy models`) or a GGUF file; without one, every profile is surveyed.' +
        '\n\nExamples:\n' +
        '  mmdeploy plan llava-1.5-7b\n' +
        '  mmdeploy plan qwen2.5-vl-7b --gpu "RTX 4090" --quant Q4_K_M --explain\n' +
        '  mmdeploy plan ./model.gguf --mmproj ./mmproj.gguf -o json',
    )
    .argument('[model]', 'profile id or path of a GGUF file');
  addModelOptions(command);
  addSettingOptions(command);
  addMachineOptions(command);
  addVerdictOptions(command);
  addEngineOptions(command);
  addDeploymentOptions(command);
  command.option('-i, --interactive', 'ask for what is missing').action(action(runPlan));
}

function addVerdictOptions(command: Command): void {
  command
    .optionsGroup('Demands:')
    .option('--recommend', 'per quant the smallest and the cheapest cards that hold the workload')
    .option(
      '--require <terms>',
      'exit 3 unless met: users, slots, context, quant, verdict, e.g. "users>=8,context>=8192"',
    );
}

function addEngineOptions(command: Command): void {
  command
    .optionsGroup('Figures:')
    .option('--simulate', 'lay the model out with llama.cpp itself: no weights, no GPU needed')
    .option('--verify', 'load the model once on this machine and measure what it takes');
}

function addDeploymentOptions(command: Command): void {
  command
    .optionsGroup('Deployment:')
    .option('--target <names>', `deployment files for ${TARGET_NAMES.join(', ')}`)
    .option('--write <dir>', 'folder that they are written to')
    .option('--dry-run', 'print them instead')
    .option('--force', 'replace files that are there')
    .option('--gateway', 'deploy `mmdeploy serve` in front of the engine')
    .option('--models-dir <dir>', 'folder of the model files where it will run')
    .option('--host <address>', 'address that clients connect to (default: 127.0.0.1)')
    .option('--port <n>', 'port that clients connect to (default: 8080)')
    .option('--cdi', 'NVIDIA cards by their CDI names')
    .option('--with <extras>', '`monitoring`: alert rules and a dashboard');
}

async function runPlan(shell: Shell, command: Command): Promise<number> {
  const options = command.opts<PlanOptions>();
  const { toDeployment } = await import('../requests/deploy.ts');
  const deployment = toDeployment(options, command.args[0]);
  const { toPlanRequest, toSurveyRequest } = await import('../requests/plan.ts');
  const { surveyWorkflow } = await import('../../workflows/plan.ts');
  let [model] = command.args;
  let given = options;
  if (options.interactive === true) {
    const { askForPlan } = await import('../wizards/plan.ts');
    ({ model, options: given } = await askForPlan(shell, model, options));
  }
  if (given.recommend === true) return recommend(shell, model, given);
  if (model === undefined) {
    if (given.simulate === true) throw needsModel('--simulate');
    if (given.verify === true) throw needsModel('--verify');
    if (given.require !== undefined) throw needsModel(`--require "${given.require}"`);
    const survey = await surveyWorkflow(toSurveyRequest(given), shell.context);
    await shell.print(survey, async () => {
      const { surveyText } = await import('../../report/survey.ts');
      return surveyText(survey, shell.view);
    });
    return EXIT_CODES.ok.code;
  }
  const { plan, failure } = await planned(toPlanRequest(model, given), given, shell);
  const scaled = deployment !== null && scaleOutFor(plan, deployment.targets) !== null;
  if (deployment !== null && failure === null && (scaled || plan.verdict !== 'no')) {
    // A proposal holds what is required: it was looked for with it.
    if (!scaled) refuseUnmet(plan);
    const { printDeployment } = await import('./deploy.ts');
    return printDeployment(plan, deployment, shell);
  }
  await shell.print(plan, () => readable(plan, shell));
  shell.warn(plan.warnings);
  if (failure !== null) throw failure;
  if (plan.verdict === 'no') {
    throw new MmdeployError('fit.none', plan.reasons[0] ?? `\`${model}\` fits nowhere here`, {
      hints: [
        ...plan.reasons.slice(1),
        ...(plan.scaleOut === undefined ? [] : [plan.scaleOut.why]),
        '`--explain` shows how each number was reached',
      ],
    });
  }
  refuseUnmet(plan);
  return EXIT_CODES.ok.code;
}

async function recommend(
  shell: Shell,
  model: string | undefined,
  options: PlanOptions,
): Promise<number> {
  if (model === undefined) {
    throw new MmdeployError('usage.invalid', '`--recommend` needs a model', {
      hints: ['`mmdeploy models --vram` recommends a card for every profile'],
    });
  }
  refuseBeside(options);
  const { toPlanRequest } = await import('../requests/plan.ts');
  const { recommendWorkflow } = await import('../../workflows/recommend.ts');
  const { recommendText } = await import('../../report/recommend.ts');
  const found = await recommendWorkflow(toPlanRequest(model, options), shell.context);
  await shell.print(found, () => recommendText(found, shell.view));
  return EXIT_CODES.ok.code;
}

/** A recommendation looks for cards: what names the cards, or lays out on them, contradicts it. */
const NOT_WITH_RECOMMEND = [
  ['gpu', '--gpu'],
  ['machine', '--machine'],
  ['simulate', '--simulate'],
  ['verify', '--verify'],
  ['gpuLayers', '--gpu-layers'],
  ['tensorSplit', '--tensor-split'],
] as const;

function refuseBeside(options: PlanOptions): void {
  const other = NOT_WITH_RECOMMEND.find(([name]) => options[name] !== undefined);
  if (other === undefined) return;
  throw new MmdeployError(
    'usage.invalid',
    `\`--recommend\` and \`${other[1]}\` exclude each other`,
    {
      hints: [
        `leave \`${other[1]}\` out: \`--recommend\` looks for the cards that hold the model whole`,
      ],
    },
  );
}

/** The plan by the formulas, or with the figures that the engine itself was asked for. */
async function planned(
  request: PlanRequest,
  options: PlanOptions,
  { context }: Shell,
): Promise<EnginePlan> {
  if (options.verify === true) {
    if (options.simulate === true) throw oneOfBoth();
    const { verifiedPlan } = await import('../../workflows/verify.ts');
    return verifiedPlan(request, context);
  }
  if (options.simulate === true) {
    const { simulatedPlan } = await import('../../workflows/simulate.ts');
    return simulatedPlan(request, context);
  }
  const { calibratedPlan } = await import('../../workflows/calibrated.ts');
  return { plan: await calibratedPlan(request, context), failure: null };
}

/** Loaded for people only: a script that reads JSON does not wait for the tables. */
async function readable(plan: DeploymentPlan, { view }: Shell): Promise<string> {
  const { planText } = await import('../../report/plan.ts');
  const text = planText(plan, view);
  if (plan.verification === undefined || view.quiet) return text;
  const { verificationText } = await import('../../report/verification.ts');
  return `${text}\n\n${verificationText(plan.verification, view)}`;
}

/** A plan that fits but has less than was required. */
function refuseUnmet(plan: DeploymentPlan): void {
  const unmet = (plan.requirements ?? []).filter(({ met }) => !met);
  if (unmet.length === 0) return;
  const terms = unmet.map(({ term, actual }) => `${term} (planned: ${actual})`);
  throw new MmdeployError('fit.none', `not met: ${terms.join(', ')}`, {
    hints: [
      ...unmet.flatMap(({ term, because }) => (because === null ? [] : [`${term}: ${because}`])),
      ...(plan.verdict === 'offload' ? plan.reasons.slice(1) : []),
    ],
  });
}

function oneOfBoth(): MmdeployError {
  return new MmdeployError('usage.invalid', '`--simulate` and `--verify` exclude each other', {
    hints: ['`--verify` loads the real files here; `--simulate` needs neither files nor a GPU'],
  });
}

function needsModel(flag: string): MmdeployError {
  return new MmdeployError('usage.invalid', `\`${flag}\` needs a model`, {
    hints: [`\`mmdeploy models\` lists them: \`mmdeploy plan MODEL ${flag}\``],
  });
}
