import type { Command } from 'commander';

/** What tokens cost. */
export function addPriceOptions(command: Command): Command {
  return command
    .optionsGroup('What tokens cost:')
    .option('--batch', "by the vendor's batch API")
    .option('--cached-input-tokens <n|%>', 'input that the vendor has seen before, of all requests')
    .option(
      '--provider <name>',
      "who bills: azure, aws, openrouter … (default: the model's vendor)",
    )
    .option('--price-per-1k <usd[,usd]>', 'of input and of answers, for all models')
    .option('--gpu-price-per-hour <usd>', 'of what serves a model of your own')
    .option('--tokens-per-second <n[,n]>', 'that it takes in, and that it answers with');
}
