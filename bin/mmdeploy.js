#!/usr/bin/env node
import '../dist/app/mmdeploy.js';
