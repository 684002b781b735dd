#!/usr/bin/env node
// An older engine: it has only the interface of chats.
import { serve } from './engine.mjs';

serve({ routes: ['/v1/chat/completions'] });
