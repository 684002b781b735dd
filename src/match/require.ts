import type { Candidate, RequirementResult } from '../contracts/plan.ts';
import { MmdeployError, nearest } from '../errors.ts';
import { QUANT_ORDER } from './formats.ts';
import type { Minimum } from './types.ts';

/** One term of `--require`: what it is about and the least that will do. */
export type Requirement = CountRequirement | NameRequirement;
type CountRequirement = {
  readonly kind: 'users' | 'slots' | 'context';
  readonly text: string;
  readonly least: number;
};
type NameRequirement = {
  readonly kind: 'quant' | 'verdict';
  readonly text: string;
  readonly least: string;
};

const KINDS = ['users', 'slots', 'context', 'quant', 'verdict'] as const;
/** Comfort levels from the worst that can be asked for to the best. */
const VERDICT_ORDER = ['offload', 'tight', 'fits'] as const;

/**
 * Terms of `--require "users>=8,context>=8192,quant>=Q4_K_M"`. Throws `usage.not-yet` for `ttft`,
 * `usage.invalid` for anything else that is no term.
 */
export function parseRequirements(text: string): readonly Requirement[] {
  const terms = text.split(',').map((term) => term.trim());
  return terms.map((term) => parseTerm(term, text));
}

function parseTerm(term: string, all: string): Requirement {
  const match = /^([a-z]+)\s*(>=|<=|=|>|<)\s*(\S+)$/i.exec(term);
  const name = match?.[1]?.toLowerCase() ?? term;
  if (name === 'ttft') {
    throw new MmdeployError('usage.not-yet', `\`${term}\` in \`--require\` is not there yet`, {
      hints: [`\`--require\` takes ${KINDS.join(', ')}`],
    });
  }
  const kind = KINDS.find((each) => each === name);
  const value = match?.[3];
  if (kind === undefined || value === undefined || match?.[2] !== '>=') {
    throw invalid(term, all, name, kind === undefined ? null : 'only `>=` is understood');
  }
  const known = `${kind}>=${value}`;
  if (kind === 'quant') return { kind, text: known, least: oneOf(value, QUANT_ORDER, term) };
  if (kind === 'verdict') return { kind, text: known, least: oneOf(value, VERDICT_ORDER, term) };
  const least = /^\d{1,9}$/.test(value) ? Number(value) : 0;
  if (least < 1) throw invalid(term, all, name, 'it takes a whole number from 1');
  return { kind, text: known, least };
}

function oneOf(value: string, names: readonly string[], term: string): string {
  const found = names.find((name) => name.toLowerCase() === value.toLowerCase());
  if (found !== undefined) return found;
  const near = nearest(value, names).map((name) => `\`${name}\``);
  throw new MmdeployError('usage.invalid', `\`${term}\`: no such value \`${value}\``, {
    hints: [near.length > 0 ? `did you mean ${near.join(', ')}?` : `one of ${names.join(', ')}`],
  });
}

function invalid(term: string, all: string, name: string, why: string | null): MmdeployError {
  const near = KINDS.includes(name as (typeof KINDS)[number]) ? [] : nearest(name, KINDS);
  return new MmdeployError(
    'usage.invalid',
    `${term === '' ? 'an empty term' : `\`${term}\``} in \`--require "${all}"\` is not a requirement` +
      (why === null ? '' : `: ${why}`),
    {
      hints: [
        ...(near.length > 0 ? [`did you mean ${near.map((n) => `\`${n}\``).join(', ')}?`] : []),
        'give terms as in `--require "users>=8,context>=8192,quant>=Q4_K_M"`',
      ],
    },
  );
}

/** What the search has to reach before it looks for anything better; null where nothing is asked. */
export function minimumOf(requirements: readonly Requirement[]): Minimum | null {
  if (requirements.length === 0) return null;
  const most = (...kinds: Requirement['kind'][]): number | null => {
    const asked = requirements.flatMap(({ kind, least }) =>
      kinds.includes(kind) && typeof least === 'number' ? [least] : [],
    );
    return asked.length === 0 ? null : Math.max(...asked);
  };
  const quants = requirements.flatMap((each) => (each.kind === 'quant' ? [each.least] : []));
  return {
    contextPerSlot: most('context'),
    // Users at the same time are slots: llama.cpp queues whoever finds none free.
    slots: most('users', 'slots'),
    quant: quants.sort((a, b) => QUANT_ORDER.indexOf(a) - QUANT_ORDER.indexOf(b))[0] ?? null,
  };
}

/**
 * Each term against a plan; `contextMax` is the context the model was trained for, tokens. A plan that
 * does not fit meets none. Throws `usage.invalid` for an API model, which cannot be judged.
 */
export function checkRequirements(
  requirements: readonly Requirement[],
  plan: Pick<Candidate, 'settings' | 'verdict' | 'model'>,
  contextMax: number,
): RequirementResult[] {
  const { settings, verdict } = plan;
  if (settings === null) {
    throw new MmdeployError(
      'usage.invalid',
      `\`--require\` asks about your own hardware, and \`${plan.model.id}\` runs at its vendor`,
      { hints: [`\`mmdeploy plan ${plan.model.id}\` without \`--require\``] },
    );
  }
  return requirements.map((requirement) => {
    const { actual, holds } = compare(requirement, settings, verdict);
    const because = holds || verdict === 'no' ? null : obstacle(requirement, contextMax);
    return { term: requirement.text, actual, met: verdict !== 'no' && holds, because };
  });
}

/** The search reaches every minimum that fits, so what is left is the model itself or another flag. */
function obstacle(requirement: Requirement, contextMax: number): string {
  switch (requirement.kind) {
    case 'context':
      return requirement.least > contextMax
        ? `the model was trained for ${contextMax} tokens of context`
        : `leave out \`--context\`, or give \`--context ${requirement.least}\``;
    case 'users':
    case 'slots':
      return `leave out \`--slots\`, or give \`--slots ${requirement.least}\``;
    case 'quant':
      return `leave out \`--quant\`, or give \`--quant ${requirement.least}\`; a file stays in the format it is in`;
    case 'verdict':
      return 'the reasons of the plan name the changes that help';
  }
}

function compare(
  requirement: Requirement,
  settings: NonNullable<Candidate['settings']>,
  verdict: Candidate['verdict'],
): { actual: string; holds: boolean } {
  switch (requirement.kind) {
    case 'quant': {
      const actual = settings.quant ?? 'as stored';
      const rank = QUANT_ORDER.indexOf(actual);
      return { actual, holds: rank >= 0 && rank <= QUANT_ORDER.indexOf(requirement.least) };
    }
    case 'verdict': {
      const order: readonly string[] = VERDICT_ORDER;
      return { actual: verdict, holds: order.indexOf(verdict) >= order.indexOf(requirement.least) };
    }
    default: {
      const has = requirement.kind === 'context' ? settings.contextPerSlot : settings.slots;
      return { actual: String(has), holds: has >= requirement.least };
    }
  }
}
