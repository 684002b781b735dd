import type { EngineName } from '../contracts/basis.ts';
import type { EncoderModel, TokenRuleUse } from '../contracts/model.ts';
import { audioProjectors, audioRuleOf } from '../layout/audio-rule.ts';
import type { HeaderView } from '../layout/header-view.ts';
import { imageProjectors, imageRuleOf } from '../layout/token-rule.ts';
import { VERIFIED } from '../layout/verified.ts';
import type { Profile } from '../profiles/layers.ts';
import { loadProfiles } from '../profiles/load.ts';
import { tokensPage as pageOf } from '../report/tokens-page.ts';
import type { ProjectorRow, TokensRow } from '../report/tokens-page.ts';

const BUILT_IN = { user: null, flag: null } as const;
const ENGINES = ['llama.cpp', 'vllm', 'api'] as const;

/** `docs/tokens.md`, from the rules and the built-in profiles alone: the same on every machine. */
export async function tokensPage(): Promise<string> {
  const { profiles } = await loadProfiles(BUILT_IN);
  const rows = profiles.flatMap(rowsOf);
  return pageOf(merged(rows), [...imageRows(), ...soundRows()], VERIFIED);
}

function rowsOf(profile: Profile): TokensRow[] {
  const { family, id, imageTokens, audioTokens, hosted } = profile;
  const row = (
    what: TokensRow['what'],
    engine: EngineName,
    use: TokenRuleUse,
    until: string | null = null,
  ): TokensRow => {
    const status = statusOf(profile, what, engine, use);
    return { family, models: [id], engine, what, use, until, status };
  };
  return [
    ...ENGINES.flatMap((engine) => {
      const [images, sounds] = [imageTokens[engine], audioTokens[engine]];
      return [
        ...(images === undefined ? [] : [row('image', engine, images)]),
        ...(sounds === undefined ? [] : [row('sound', engine, sounds)]),
      ];
    }),
    ...(hosted?.earlierImageTokens ?? []).map(({ until, use }) => row('image', 'api', use, until)),
  ];
}

const SECOND_HAND = /second hand|believed|third.party/i;

function statusOf(
  { confidence, vision, audio }: Profile,
  what: TokensRow['what'],
  engine: EngineName,
  use: TokenRuleUse,
): string {
  if (engine === 'llama.cpp') {
    const projector = what === 'image' ? vision?.projector : audio?.projector;
    const known: readonly string[] = what === 'image' ? VERIFIED.images : VERIFIED.sounds;
    if (projector !== undefined && known.includes(projector)) return 'exact';
  }
  if (use.confidence === 'range' || use.confidence === 'unknown') return use.confidence;
  return confidence === 'doubtful' || SECOND_HAND.test(use.source) ? 'believed' : 'formula';
}

/** Models of a family that are counted alike share a row. */
function merged(rows: readonly TokensRow[]): TokensRow[] {
  const groups = new Map<string, TokensRow>();
  for (const row of rows) {
    const { family, engine, what, use, until, status } = row;
    const key = JSON.stringify([
      family,
      engine,
      what,
      use.rule,
      use.params,
      use.source,
      until,
      status,
    ]);
    const known = groups.get(key);
    groups.set(
      key,
      known === undefined ? row : { ...known, models: [...known.models, ...row.models] },
    );
  }
  return [...groups.values()];
}

/** A projector with every key that a rule may want: only the rule's name is taken from it. */
const ANY_ENCODER: Omit<EncoderModel, 'projectorType'> = {
  ...{ layers: 1, embedding: 64, feedForward: 64, heads: 1, projectionDim: 64, tensors: [] },
  ...{ patchSize: 14, imageSize: 448, merge: 2, pixels: { least: 784, most: 784_000 } },
};
const ANY_HEADER: HeaderView = {
  path: 'mmproj.gguf',
  tensors: [],
  get: (key) => {
    if (key.endsWith('image_grid_pinpoints'))
      return key === PINS_OF_GRANITE ? [448, 896] : undefined;
    return /_side$|image_min_pixels$/.test(key) ? 4 : undefined;
  },
};
const PINS_OF_GRANITE = 'clip.vision.image_grid_pinpoints';

function imageRows(): ProjectorRow[] {
  return imageProjectors().flatMap((projector) => {
    const use = imageRuleOf({ ...ANY_ENCODER, projectorType: projector }, ANY_HEADER);
    return use === null ? [] : [projectorRow(projector, 'image', use, VERIFIED.images)];
  });
}

function soundRows(): ProjectorRow[] {
  return audioProjectors().flatMap((projector) => {
    const use = audioRuleOf(
      { ...ANY_ENCODER, projectorType: projector, melBins: 128 },
      'mmproj.gguf',
    );
    return use === null ? [] : [projectorRow(projector, 'sound', use, VERIFIED.sounds)];
  });
}

function projectorRow(
  projector: string,
  what: ProjectorRow['what'],
  { rule, wrapper }: TokenRuleUse,
  verified: readonly string[],
): ProjectorRow {
  const ranged = rule === 'aligned-block' ? 'range' : 'formula';
  const status = verified.includes(projector) ? 'exact' : ranged;
  return { projector, what, rule, wrapper, status };
}
