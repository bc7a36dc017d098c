/** Draws every alternative with the same chance, from one seed. */
import { Prng } from '../prng.ts';
import type { ChoiceView, Chooser } from './chooser.ts';

export class RandomUniformChooser implements Chooser {
  readonly name = 'random-uniform';
  readonly #prng: Prng;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
  }

  choose(view: ChoiceView): number {
    return this.#prng.below(view.count);
  }
}
