import { TABLE_MODES } from '../io.ts';
import type { Registrar } from '../shell.ts';

export type CommandEntry = {
  /** One line for `mmdeploy --help`. */
  readonly summary: string;
  /** Arguments as help shows them, null for a group of commands; a test holds them against the command's. */
  readonly args: readonly string[] | null;
  /** Further values of `-o`. */
  readonly outputs?: readonly (typeof TABLE_MODES)[number][];
  readonly load: () => Promise<(registrar: Registrar) => void>;
};

/**
 * Every command, in the order in which help lists them. A command's own module is loaded only when it
 * is the one that was asked for: start-up is what `--help` and completion feel like.
 */
export const COMMANDS = {
  demo: {
    summary: 'the whole tour on a tiny generated model',
    args: [],
    load: async () => (await import('./demo.ts')).registerDemo,
  },
  doctor: {
    summary: 'what this machine has: GPUs, memory, tools, engines',
    args: [],
    load: async () => (await import('./doctor.ts')).registerDoctor,
  },
  plan: {
    summary: 'what fits on this machine, and with which settings',
    args: ['[model]'],
    load: async () => (await import('./plan.ts')).registerPlan,
  },
  estimate: {
    summary: 'tokens and cost of an input set, per model',
    args: ['[paths...]'],
    outputs: TABLE_MODES,
    load: async () => (await import('./estimate.ts')).registerEstimate,
  },
  check: {
    summary: 'what of written deployment files is not as planned',
    args: ['<dir>'],
    load: async () => (await import('./check.ts')).registerCheck,
  },
  serve: {
    summary: 'llama-server behind an OpenAI-compatible gateway',
    args: ['[model]', '[command...]'],
    load: async () => (await import('./serve.ts')).registerServe,
  },
  ask: {
    summary: 'one question about your images to a running server',
    args: ['<question>', '[images...]'],
    load: async () => (await import('./ask.ts')).registerAsk,
  },
  models: {
    summary: 'the models that are known by name',
    args: ['[id]'],
    load: async () => (await import('./models.ts')).registerModels,
  },
  engine: {
    summary: 'find or install llama-server',
    args: null,
    load: async () => (await import('./engine.ts')).registerEngine,
  },
  help: {
    summary: 'help for a command or a topic',
    args: ['[topic...]'],
    load: async () => (await import('./help-topics.ts')).registerHelpTopics,
  },
} as const satisfies Record<string, CommandEntry>;

export type CommandName = keyof typeof COMMANDS;

export function isCommandName(name: string | undefined): name is CommandName {
  return name !== undefined && Object.hasOwn(COMMANDS, name);
}
