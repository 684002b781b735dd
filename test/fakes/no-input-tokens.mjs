#!/usr/bin/env node
// An older engine that cannot be asked what a request would cost; its answers tell what they did.
import { serveOldEngine } from './old-engine.mjs';

serveOldEngine((images) => images);
