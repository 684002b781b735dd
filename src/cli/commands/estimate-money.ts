import type { Command } from 'commander';

/** Limits, an earlier report to compare with, models side by side. */
export function addCheckOptions(command: Command): Command {
  return command
    .optionsGroup('Limits and comparison (exit 4 where exceeded):')
    .option('--max-tokens <n>', 'of each model, or MODEL=N[,MODEL=N]')
    .option('--max-usd <usd>', 'of each model, or MODEL=USD[,MODEL=USD]')
    .option('--baseline <file>', 'an earlier report (-o json) to compare with')
    .option('--max-growth <p%>', 'what tokens and bill may grow by since the baseline')
    .option('--compare', 'models and engines side by side, cheapest first');
}

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
