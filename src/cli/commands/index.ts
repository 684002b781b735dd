import type { Registrar } from '../shell.ts';
import { registerDoctor } from './doctor.ts';
import { registerEngine } from './engine.ts';
import { registerHelpTopics } from './help-topics.ts';
import { registerModels } from './models.ts';
import { registerPlan } from './plan.ts';

/** Every command, in the order in which help lists them. */
const COMMANDS: readonly ((registrar: Registrar) => void)[] = [
  registerDoctor,
  registerPlan,
  registerModels,
  registerEngine,
  registerHelpTopics,
];

export function registerCommands(registrar: Registrar): void {
  for (const register of COMMANDS) register(registrar);
}
