import type { Command } from 'commander';
import { repeated } from '../requests/values.ts';

/** Where inputs come from other than as arguments: manifests, stdin, http addresses. */
export function addListOptions(command: Command): void {
  command
    .optionsGroup('Lists of inputs:')
    .option(
      '--manifest <file>',
      'JSONL of items or of batch requests, CSV or Parquet; its paths start ' +
        'from its own folder (`-`: JSONL on stdin)',
      repeated,
    )
    .option('-0, --null', 'the list on stdin is separated by NUL (`find -print0`)')
    .option(
      '--allow-remote <hosts>',
      'ask these hosts, or `any` public one, for the first bytes of http ' +
        'addresses; commas between',
      repeated,
    );
}
