import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  chooseSlot,
  neededPieces,
  sharedPieces,
  type ChoiceState,
  type SlotView,
} from '../../../../src/serve/schedule/slot-choice.ts';
import { prompt } from './pieces.ts';

function slot(id: number, content: string, more: Partial<SlotView> = {}): SlotView {
  const owner = content === '' ? null : 'me';
  return { id, busy: false, content: prompt(content), owner, lastUsed: id + 1, ...more };
}

function state(slots: readonly SlotView[], more: Partial<ChoiceState> = {}): ChoiceState {
  return {
    slots,
    hasFile: () => false,
    gateOpen: true,
    mediaMayStart: true,
    isolate: false,
    canBranch: true,
    tiredOfWaiting: false,
    ...more,
  };
}

const me = (text: string) => ({ tenant: 'me', prefix: prompt(text) });
const fileOf = (text: string) => {
  const digest = prompt(text).at(-1)?.digest;
  return (_tenant: string, asked: string) => asked === digest;
};

describe('the slot of a request', () => {
  test('is the free one that holds its image, whatever is free besides', () => {
    const slots = [slot(0, ''), slot(1, 's A x'), slot(2, 's B x')];
    expect(chooseSlot(me('s A y'), state(slots))).toEqual({
      kind: 'run',
      slot: 1,
      erase: false,
      restore: null,
      held: 2,
      prime: false,
    });
  });

  test('gets the image from a file into the slot that loses least', () => {
    const slots = [slot(0, 's B x', { lastUsed: 9 }), slot(1, 's t')];
    const choice = chooseSlot(me('s A y'), state(slots, { hasFile: fileOf('s A') }));
    expect(choice).toMatchObject({
      kind: 'run',
      slot: 1,
      restore: prompt('s A').at(-1)?.digest,
      held: 2,
      prime: false,
    });
  });

  test('waits for the busy slot that holds the image, until it is tired of it', () => {
    const slots = [slot(0, 's A x', { busy: true }), slot(1, '')];
    expect(chooseSlot(me('s A y'), state(slots))).toEqual({ kind: 'wait', for: 'holder' });
    const tired = chooseSlot(me('s A y'), state(slots, { tiredOfWaiting: true }));
    expect(tired).toMatchObject({ kind: 'run', slot: 1, prime: true });
  });

  test('waits while another image is being encoded; words do not', () => {
    const closed = state([slot(0, '')], { gateOpen: false });
    expect(chooseSlot(me('s A'), closed)).toEqual({ kind: 'wait', for: 'gate' });
    expect(chooseSlot(me('s t'), closed)).toMatchObject({ kind: 'run', prime: false });
  });

  test('continues a conversation, but does not overwrite one for a system prompt in common', () => {
    const slots = [slot(0, 's t u v w'), slot(1, '')];
    expect(chooseSlot(me('s t u v w x'), state(slots))).toMatchObject({ slot: 0, held: 5 });
    expect(chooseSlot(me('s x'), state(slots))).toMatchObject({ slot: 1, held: 0 });
  });

  test('an engine that cannot go back is only given what goes on where the slot stands', () => {
    const slots = [slot(0, 's A x'), slot(1, '')];
    const cannot = state(slots, { canBranch: false });
    expect(chooseSlot(me('s A x y'), cannot)).toMatchObject({ slot: 0, held: 3, prime: false });
    expect(chooseSlot(me('s A z'), cannot)).toMatchObject({ slot: 1, held: 0, prime: true });
  });

  test('encodes only the second image on top of the first', () => {
    const slots = [slot(0, ''), slot(1, 's A t')];
    expect(chooseSlot(me('s A t B u'), state(slots))).toMatchObject({
      slot: 1,
      held: 3,
      prime: true,
    });
    const none = [slot(0, ''), slot(1, 's t')];
    expect(chooseSlot(me('s A t B u'), state(none, { hasFile: fileOf('s A') }))).toMatchObject({
      slot: 0,
      restore: prompt('s A').at(-1)?.digest,
      held: 2,
      prime: true,
    });
  });

  test('else is an empty one, else one whose image a file keeps, else the least recently used', () => {
    const images = [slot(0, 's A', { lastUsed: 1 }), slot(1, 's B', { lastUsed: 2 })];
    expect(chooseSlot(me('x'), state([...images, slot(2, '', { lastUsed: 3 })]))).toMatchObject({
      slot: 2,
    });
    expect(chooseSlot(me('x'), state(images, { hasFile: fileOf('s B') }))).toMatchObject({
      slot: 1,
    });
    expect(chooseSlot(me('x'), state(images))).toMatchObject({ slot: 0 });
  });

  test('of another tenant is emptied when tenants are isolated, and the own one comes first', () => {
    const theirs = slot(0, 's t', { owner: 'them', lastUsed: 1 });
    const isolated = state([theirs], { isolate: true });
    expect(chooseSlot(me('x'), isolated)).toMatchObject({ slot: 0, erase: true });
    expect(chooseSlot(me('x'), state([theirs]))).toMatchObject({ slot: 0, erase: false });
    const both = state([theirs, slot(1, 'y', { lastUsed: 9 })], { isolate: true });
    expect(chooseSlot(me('x'), both)).toMatchObject({ slot: 1, erase: false });
  });
});

const anyPrompt = fc
  .array(fc.constantFrom('s', 't', 'u', 'A', 'B', 'C'), { minLength: 1, maxLength: 6 })
  .map((pieces) => pieces.join(' '));
const anySlots = fc
  .array(
    fc.record({
      content: fc.oneof(fc.constant(''), anyPrompt),
      busy: fc.boolean(),
      owner: fc.constantFrom('me', 'them'),
    }),
    { minLength: 1, maxLength: 5 },
  )
  .map((list) =>
    list.map(({ content, busy, owner }, id) =>
      slot(id, content, { busy, owner: content === '' ? null : owner }),
    ),
  );
const anyState = fc.record({
  slots: anySlots,
  files: fc.array(anyPrompt, { maxLength: 3 }),
  gateOpen: fc.boolean(),
  mediaMayStart: fc.boolean(),
  isolate: fc.boolean(),
  canBranch: fc.boolean(),
  tiredOfWaiting: fc.boolean(),
});

describe('whatever the slots hold', () => {
  test('a choice is a free slot, promises what is there, and passes no gate', () => {
    fc.assert(
      fc.property(anyPrompt, anyState, (text, { files, ...rest }) => {
        const digests = new Set(files.map((file) => prompt(file).at(-1)?.digest));
        const hasFile = (_: string, digest: string) => digests.has(digest);
        const wanted = me(text);
        const choice = chooseSlot(wanted, { ...rest, hasFile });
        const needed = neededPieces(wanted.prefix);
        if (choice.kind === 'wait') {
          // Words wait for nothing but a slot.
          const allBusy = rest.slots.every(({ busy }) => busy);
          if (needed === 0) expect(allBusy).toBe(true);
          return;
        }
        const chosen = rest.slots[choice.slot];
        expect(chosen?.busy).toBe(false);
        if (needed > 0) expect(rest.mediaMayStart).toBe(true);
        if (choice.prime) {
          expect(rest.gateOpen).toBe(true);
          expect(choice.held).toBeLessThan(needed);
        } else expect(choice.held).toBeGreaterThanOrEqual(needed === 0 ? 0 : needed);
        if (choice.restore === null && !choice.erase) {
          const content = chosen?.content ?? [];
          const shared = sharedPieces(content, wanted.prefix);
          expect(choice.held).toBe(rest.canBranch || shared === content.length ? shared : 0);
        }
        if (choice.restore !== null) expect(digests.has(choice.restore)).toBe(true);
        const foreign = chosen?.owner === 'them';
        expect(choice.erase).toBe(rest.isolate && foreign);
      }),
      { numRuns: 2000 },
    );
  });

  test('an image in a free slot or in a file is never encoded again', () => {
    fc.assert(
      fc.property(anyPrompt, anyState, (text, { files, ...rest }) => {
        const wanted = me(text);
        const needed = neededPieces(wanted.prefix);
        fc.pre(needed > 0);
        const last = wanted.prefix[needed - 1]?.digest;
        const inFile = files.some((file) => prompt(file).at(-1)?.digest === last);
        const inSlot = rest.slots.some(
          ({ busy, content, owner }) =>
            !busy &&
            sharedPieces(content, wanted.prefix) >= needed &&
            (rest.canBranch || content.length <= sharedPieces(content, wanted.prefix)) &&
            !(rest.isolate && owner === 'them'),
        );
        fc.pre(inFile || inSlot);
        const hasFile = (_: string, digest: string) => inFile && digest === last;
        const choice = chooseSlot(wanted, { ...rest, hasFile });
        expect(choice.kind === 'run' && choice.prime).toBe(false);
      }),
    );
  });
});
