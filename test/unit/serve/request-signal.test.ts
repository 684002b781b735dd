import { getEventListeners } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { RequestSignal } from '../../../src/serve/gateway/request-signal.ts';

describe('the signal of a request', () => {
  it('tells everybody once, with the first reason', () => {
    const signal = new RequestSignal();
    const heard = [vi.fn(), vi.fn()];
    for (const listener of heard) signal.addEventListener('abort', listener);
    expect(signal.aborted).toBe(false);
    const reason = new Error('the server stops');
    signal.abort(reason);
    signal.abort(new Error('later'));
    for (const listener of heard) expect(listener).toHaveBeenCalledOnce();
    expect(signal).toMatchObject({ aborted: true, reason });
  });

  it('does not tell whoever has gone, nor more than that one', () => {
    const signal = new RequestSignal();
    const [gone, stays] = [vi.fn(), vi.fn()];
    for (const listener of [gone, stays]) signal.addEventListener('abort', listener);
    signal.removeEventListener('abort', gone);
    signal.removeEventListener('abort', gone);
    signal.abort();
    expect(gone).not.toHaveBeenCalled();
    expect(stays).toHaveBeenCalledOnce();
  });

  it("may be left by a listener while it tells, as the platform's may", () => {
    const signal = new RequestSignal();
    const last = vi.fn();
    const first = () => signal.removeEventListener('abort', first);
    signal.addEventListener('abort', first);
    signal.addEventListener('abort', last);
    signal.abort();
    expect(last).toHaveBeenCalledOnce();
  });

  it.each(['before', 'after'])('is an AbortSignal, asked for %s it is aborted', (when) => {
    const signal = new RequestSignal();
    const reason = new Error('the client hung up');
    if (when === 'after') signal.abort(reason);
    const { native } = signal;
    expect(native).toBeInstanceOf(AbortSignal);
    const heard = vi.fn();
    native.addEventListener('abort', heard);
    if (when === 'before') signal.abort(reason);
    expect(native).toMatchObject({ aborted: true, reason });
    expect(heard).toHaveBeenCalledTimes(when === 'before' ? 1 : 0);
    expect(signal.native).toBe(native);
    expect(AbortSignal.any([native]).aborted).toBe(true);
  });

  it("is aborted without a reason as the platform's is", () => {
    const ours = new RequestSignal();
    ours.abort();
    const theirs = AbortSignal.abort().reason as DOMException;
    expect(ours.reason).toMatchObject({ name: theirs.name, message: theirs.message });
    expect(getEventListeners(ours.native, 'abort')).toEqual([]);
  });
});
