#!/usr/bin/env node
// Takes its time over every answer: a word each 10 ms, forty of them.
import { setTimeout as delay } from 'node:timers/promises';
import { serve } from './engine.mjs';

serve({
  words: Array.from({ length: 40 }, (_, index) => ` word${index}`),
  onWord: () => delay(10),
});
