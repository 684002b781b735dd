import type { Registrar } from '../shell.ts';
import { registerAsk } from './ask.ts';
import { registerDemo } from './demo.ts';
import { registerDoctor } from './doctor.ts';
import { registerEngine } from './engine.ts';
import { registerEstimate } from './estimate.ts';
import { registerHelpTopics } from './help-topics.ts';
import { registerModels } from './models.ts';
import { registerPlan } from './plan.ts';
import { registerServe } from './serve.ts';

/** Every command, in the order in which help lists them. */
const COMMANDS: readonly ((registrar: Registrar) => void)[] = [
  registerDemo,
  registerDoctor,
  registerPlan,
  registerEstimate,
  registerServe,
  registerAsk,
  registerModels,
  registerEngine,
  registerHelpTopics,
];

export function registerCommands(registrar: Registrar): void {
  for (const register of COMMANDS) register(registrar);
}
