/** What counters grew by between two looks at them, over restarts of what counts. */

import type { Sample } from "./exposition";

/** A counter that grew. */
export interface Increment {
  name: string;
  labels: Readonly<Record<string, string>>;
  by: number;
}

const COUNTS = /_(total|bucket|count|sum)$/;

/** What counters were at the last look. */
export class Counters {
  readonly #last = new Map<string, number>();
  readonly #processes = new Set<string>();

  /**
   * Look at the counters again.
   *
   * The first look at a process finds no increments: when it counted what is there is not known.
   * Later, a counter that is new has grown from 0, and one that fell began anew from 0. A process
   * that was silent meanwhile is compared with what it was.
   */
  look(samples: readonly Sample[]): Increment[] {
    const increments: Increment[] = [];
    const seen = new Set<string>();
    for (const sample of samples) {
      if (!COUNTS.test(sample.name) || !Number.isFinite(sample.value)) continue;
      const process = sample.labels["process"] ?? "";
      seen.add(process);
      const by = this.#grown(sample, this.#processes.has(process));
      if (by > 0) increments.push({ name: sample.name, labels: sample.labels, by });
    }
    for (const process of seen) this.#processes.add(process);
    return increments;
  }

  #grown(sample: Sample, known: boolean): number {
    const key = keyOf(sample);
    const before = this.#last.get(key);
    this.#last.set(key, sample.value);
    if (before === undefined) return known ? sample.value : 0;
    return sample.value < before ? sample.value : sample.value - before;
  }
}

/** Add up the increments of one counter, by a label. */
export function grownBy(
  increments: readonly Increment[],
  name: string,
  label: string,
): Map<string, number> {
  return summed(increments, name, label, (increment) => increment.by);
}

/** Add up the values of one metric, by a label. */
export function valuesBy(
  samples: readonly Sample[],
  name: string,
  label: string,
): Map<string, number> {
  return summed(samples, name, label, (sample) => sample.value);
}

/** Add up the values of one metric; null if there is none. */
export function valueOf(samples: readonly Sample[], name: string): number | null {
  const found = samples.filter((sample) => sample.name === name);
  return found.length === 0 ? null : found.reduce((sum, sample) => sum + sample.value, 0);
}

function summed<T extends { name: string; labels: Readonly<Record<string, string>> }>(
  items: readonly T[],
  name: string,
  label: string,
  read: (item: T) => number,
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const item of items) {
    if (item.name !== name) continue;
    const value = item.labels[label] ?? "";
    sums.set(value, (sums.get(value) ?? 0) + read(item));
  }
  return sums;
}

function keyOf(sample: Sample): string {
  const labels = Object.entries(sample.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([sample.name, labels]);
}
