#!/usr/bin/env node
// Dies by SIGKILL at the first chat request, before a byte of the answer.
import { serve } from './engine.mjs';

serve({ onChat: () => process.kill(process.pid, 'SIGKILL') });
