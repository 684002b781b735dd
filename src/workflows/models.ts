import type { TensorInfo } from '../contracts/model.ts';
import type { ModelsVram } from '../contracts/models.ts';
import { MODELS_VRAM_SCHEMA } from '../contracts/models.ts';
import type { RecommendedCards } from '../contracts/recommend.ts';
import { projectorTensors } from '../layout/projector-file.ts';
import { offersOf } from '../match/recommend.ts';
import { NO_WISHES } from '../match/types.ts';
import { tensorsBytes } from '../memory/weights.ts';
import { describeProfile } from '../profiles/describe.ts';
import type { Profile } from '../profiles/layers.ts';
import { findModel } from '../profiles/layers.ts';
import type { ProfileFolders } from '../profiles/load.ts';
import { loadCards, loadGpuPrices, loadProfiles } from '../profiles/load.ts';
import { sum } from '../units.ts';
import { profileModel } from './model.ts';
import { engineFor } from './plan.ts';
import { recommendFor } from './recommend.ts';

type Row = ModelsVram['models'][number];
type Offers = ReturnType<typeof offersOf>;

/** What the recommended cards of the table hold. */
const WORKLOAD = { contextPerSlot: 4096, slots: 1 } as const;

/** `internvl2-2b` before `internvl2-26b`. */
const byName = new Intl.Collator('en', { numeric: true });

/** Every profile, or the one called `id`, with its sizes and the cards that hold it; not the demo model. */
export async function modelsVramWorkflow(
  folders: ProfileFolders,
  id: string | null,
  now: Date,
): Promise<ModelsVram> {
  const [{ profiles }, cards, prices] = await Promise.all([
    loadProfiles(folders),
    loadCards(folders),
    loadGpuPrices(folders),
  ]);
  const offers = offersOf(cards, prices);
  const shown =
    id === null ? profiles.filter((each) => each.id !== 'demo') : [findModel(profiles, id)];
  const models = shown
    .map((each) => row(each, offers, now))
    .sort((a, b) => byName.compare(a.id, b.id));
  return { schema: MODELS_VRAM_SCHEMA, workload: WORKLOAD, models };
}

function row(profile: Profile, offers: Offers, now: Date): Row {
  const { id, name, engines, confidence } = profile;
  const whole = describeProfile(profile);
  const known = { id, name, engines: [...engines], confidence };
  const { text, encoder } = whole;
  if (text === null) {
    const weights = { F16: null, Q8_0: null, Q4_K_M: null };
    return { ...known, parameters: null, weights, encoderBytes: null, recommended: null };
  }
  const quants = engines.includes('llama.cpp');
  const bytesIn = (quant: string): number | null =>
    quants ? tensorsBytes(describeProfile(profile, { quant }).text?.tensors ?? []) : null;
  return {
    ...known,
    parameters: {
      text: parametersOf(text.tensors),
      encoder: encoder === null ? 0 : parametersOf(projectorTensors(encoder)),
    },
    weights: { F16: tensorsBytes(text.tensors), Q8_0: bytesIn('Q8_0'), Q4_K_M: bytesIn('Q4_K_M') },
    encoderBytes: encoder === null ? null : tensorsBytes(projectorTensors(encoder)),
    recommended: recommendedFor(profile, offers, now),
  };
}

function recommendedFor(profile: Profile, offers: Offers, now: Date): Row['recommended'] {
  const loaded = profileModel(profile);
  // What only vLLM runs is recommended for in BF16, its first format.
  const quant = engineFor(loaded, 'auto') === 'vllm' ? 'BF16' : 'Q4_K_M';
  const wishes = { ...NO_WISHES, ...WORKLOAD, quant };
  const found = recommendFor(loaded, { wishes, engine: 'auto' }, offers, now);
  const [first] = found.rows;
  if (first === undefined) return null;
  return { quant: first.quant, smallest: cards(first.smallest), cheapest: cards(first.cheapest) };
}

function cards(found: RecommendedCards | null) {
  return found === null ? null : { gpu: found.gpu, usdPerHour: found.price?.usdPerHour ?? null };
}

function parametersOf(tensors: readonly TensorInfo[]): number {
  return sum(tensors.map(({ shape }) => shape.reduce((a, b) => a * b, 1)));
}
