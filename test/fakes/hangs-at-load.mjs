#!/usr/bin/env node
// Says that it loads, answers 503 for ever and prints nothing more.
import { log, serve } from './engine.mjs';

log('load_model: loading model');
serve({ loaded: () => false });
