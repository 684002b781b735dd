#!/usr/bin/env node
// An older engine that cannot be asked what a request would cost, and answers without the first picture.
import { serveOldEngine } from './old-engine.mjs';

serveOldEngine((images) => Math.max(0, images - 1));
