import type { Registrar } from '../shell.ts';

/** Every command, in the order in which help lists them. */
const COMMANDS: readonly ((registrar: Registrar) => void)[] = [];

export function registerCommands(registrar: Registrar): void {
  for (const register of COMMANDS) register(registrar);
}
